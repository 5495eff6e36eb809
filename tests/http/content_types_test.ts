import { assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { contentType } from "../../src/http/content_types.ts";

describe("contentType", () => {
  it("says UTF-8 for text", () => {
    assertStrictEquals(contentType("index.html"), "text/html;charset=utf-8");
    assertStrictEquals(contentType("style.css"), "text/css;charset=utf-8");
    assertStrictEquals(contentType("main.js"), "text/javascript;charset=utf-8");
    assertStrictEquals(contentType("main.mjs"), "text/javascript;charset=utf-8");
    assertStrictEquals(contentType("notes.txt"), "text/plain;charset=utf-8");
  });

  it("knows what the web is made of", () => {
    assertStrictEquals(contentType("a.json"), "application/json");
    assertStrictEquals(contentType("a.svg"), "image/svg+xml");
    assertStrictEquals(contentType("a.png"), "image/png");
    assertStrictEquals(contentType("a.jpg"), "image/jpeg");
    assertStrictEquals(contentType("a.woff2"), "font/woff2");
    assertStrictEquals(contentType("a.wasm"), "application/wasm");
    assertStrictEquals(contentType("a.pdf"), "application/pdf");
  });

  it("goes by what follows the last dot, in any case", () => {
    assertStrictEquals(contentType("jquery.min.JS"), "text/javascript;charset=utf-8");
    assertStrictEquals(contentType("page.html.gz"), "application/gzip");
    assertStrictEquals(contentType("/v1.html/logo.PNG"), "image/png");
  });

  it("promises nothing about other names", () => {
    for (const name of ["README", "a.", "a.unheard-of", ".html", "/x.html/.css", "", "a.constructor", "a.__proto__"]) {
      assertStrictEquals(contentType(name), "application/octet-stream", name);
    }
  });

  it("prefers the caller's types", () => {
    const own = { html: "application/xhtml+xml", log: "text/plain;charset=utf-8" };
    assertStrictEquals(contentType("a.HTML", own), "application/xhtml+xml");
    assertStrictEquals(contentType("a.log", own), "text/plain;charset=utf-8");
    assertStrictEquals(contentType("a.css", own), "text/css;charset=utf-8");
    assertStrictEquals(contentType("a.constructor", own), "application/octet-stream");
  });
});
