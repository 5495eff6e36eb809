import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { EVHTTP_REQ_CONNECT, type HttpHandler, HttpHost, HttpServer } from "../../src/http/mod.ts";
import { matchesPattern } from "../../src/http/host_name.ts";
import { withServer } from "./server_support.ts";

const named = (name: string): HttpHandler => (request) => request.reply(200, `${name} ${request.hostname}`);

const forHost = (host: string, target: string = "/"): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

describe("virtual hosts", () => {
  it("answer for the names that match their pattern, and for their aliases before that", () =>
    withServer({ leniency: { allowHostMismatch: true } }, named("server"), async ({ connect, server }) => {
      const host = server.addVirtualHost("*.Example.com", new HttpHost(named("host")));
      const inner = host.addVirtualHost("*.inner.example.com", new HttpHost(named("inner")));
      inner.addAlias("alias.example.org");
      const client = await connect();
      const answer = async (name: string, target?: string): Promise<string> => {
        const { body } = await client.send(forHost(name, target)).reply();
        return body.split(" ")[0]!;
      };
      assertEquals(await answer("example.com"), "server");
      assertEquals(await answer("WWW.EXAMPLE.COM:8080"), "host");
      assertEquals(await answer("www.example.com."), "host");
      assertEquals(await answer("a.inner.example.com"), "inner");
      assertEquals(await answer("Alias.Example.org:1"), "inner");
      assertEquals(await answer("[::1]:80"), "server");
      assertEquals(await answer("other", "http://a.inner.example.com:80/x"), "inner");
      assertEquals(await answer("www.example.com", "http://other/x"), "server");
      assertEquals(inner.removeAlias("ALIAS.example.org"), true);
      assertEquals(inner.removeAlias("alias.example.org"), false);
      assertEquals(await answer("alias.example.org"), "server");
      assertEquals([server.removeVirtualHost(host), server.removeVirtualHost(host)], [true, false]);
      assertEquals(await answer("www.example.com"), "server");
    }));

  it("answer for the target of CONNECT, whatever Host says", () => {
    const options = { allowedMethods: EVHTTP_REQ_CONNECT, leniency: { allowHostMismatch: true } };
    const refused = (name: string): HttpHandler => (request) => request.reply(403, `${name} ${request.hostname}`);
    return withServer(options, refused("server"), async ({ connect, server }) => {
      server.addVirtualHost("target.test", new HttpHost(refused("target")));
      server.addVirtualHost("field.test", new HttpHost(refused("field")));
      const client = await connect();
      const refusal = await client.send("CONNECT target.test:443 HTTP/1.1\r\nHost: field.test\r\n\r\n").reply();
      assertEquals(refusal.body, "target target.test");
    });
  });

  it("have handlers of their own, and 404 where those say nothing", () =>
    withServer({}, named("server"), async ({ connect, server }) => {
      server.route("/x", named("route"));
      const host = server.addVirtualHost("host");
      host.route("/a b", named("host route"));
      const client = await connect();
      assertEquals((await client.send(forHost("host", "/a%20b?q")).reply()).body, "host route host");
      assertEquals((await client.send(forHost("host", "/x")).reply()).status, 404);
      assertEquals((await client.send(forHost("else", "/x")).reply()).body, "route else");
    }));

  it("have one place, which is not inside of themselves", () => {
    using base = new EventBase();
    using server = new HttpServer(base);
    using other = new HttpServer(base);
    const outer = server.addVirtualHost("*");
    const inner = outer.addVirtualHost("*");
    assertThrows(() => server.addVirtualHost("x", inner), Error, "it has its place already");
    assertThrows(() => server.addVirtualHost("x", other), Error, "it has its place already");
    server.removeVirtualHost(outer);
    assertThrows(() => inner.addVirtualHost("x", outer), Error, "inside of itself");
    assertThrows(() => outer.addVirtualHost("x", outer), Error, "inside of itself");
    assertEquals(server.addVirtualHost("y", outer), outer);
  });
});

describe("a pattern of names", () => {
  it("has * stand for anything, and for nothing", () => {
    const names = ["", "a", "ab", "abc", "a.b.c", "ac"];
    const matched = (pattern: string): string => names.filter((name) => matchesPattern(pattern, name)).join(" ");
    assertEquals(matched("a*c"), "abc a.b.c ac");
    assertEquals(matched("*"), " a ab abc a.b.c ac");
    assertEquals(matched("a**"), "a ab abc a.b.c ac");
    assertEquals(matched("*b*"), "ab abc a.b.c");
    assertEquals(matched("a.*.c"), "a.b.c");
    assertEquals(matched("?"), "");
    assertEquals(matched(""), "");
  });

  it("takes no time that grows with the number of its stars", () => {
    assertEquals(matchesPattern("*a".repeat(200) + "b", "a".repeat(8000)), false);
  });
});
