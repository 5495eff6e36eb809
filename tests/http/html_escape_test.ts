import { assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { escapeHtml } from "../../src/http/html_escape.ts";

describe("escapeHtml", () => {
  it("replaces the five characters that mean something in HTML, and no others", () => {
    assertStrictEquals(escapeHtml("<script>"), "&lt;script&gt;");
    assertStrictEquals(escapeHtml("\"'&"), "&quot;&#039;&amp;");
    assertStrictEquals(escapeHtml("&amp;"), "&amp;amp;");
    assertStrictEquals(escapeHtml("caf\xe9 \u{1f600}/`=\0"), "caf\xe9 \u{1f600}/`=\0");
    assertStrictEquals(escapeHtml(""), "");
  });
});
