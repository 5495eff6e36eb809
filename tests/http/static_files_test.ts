import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StaticFiles, type StaticFilesOptions, SystemError } from "../../mod.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { Client, Folder, type Reply, RunningServer } from "./static_support.ts";

const CHANGED = "Sun, 06 Nov 1994 08:49:37 GMT";
const HTML = "text/html;charset=utf-8";

describe("StaticFiles", () => {
  let folder: Folder;
  let server: RunningServer;
  let client: Client;

  beforeEach(() => {
    folder = new Folder();
    mkdirSync(join(folder.path, "www"));
    folder.file("secret.txt", "secret");
  });
  afterEach(async () => {
    client?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  function serve(options: StaticFilesOptions = {}, root: string = "www"): void {
    const files = new StaticFiles(join(folder.path, root), options);
    server = new RunningServer(files.handler);
    client = new Client(server.port);
  }

  const get = (path: string, fields: Readonly<Record<string, string>> = {}): Promise<Reply> =>
    client.request(`GET ${path}`, fields);
  const statusOf = async (path: string): Promise<number> => (await get(path)).status;

  describe("with a file", () => {
    beforeEach(() => {
      folder.file("www/a.txt", "0123456789");
      serve();
    });

    it("sends it whole, with what clients need to ask again", async () => {
      const { status, fields, body } = await get("/a.txt?version=1");
      const { etag = "", ...others } = fields;
      assertEquals([status, body], [200, "0123456789"]);
      assertMatch(etag, /^"[^"]+"$/);
      assertEquals(others, {
        "x-content-type-options": "nosniff",
        "last-modified": CHANGED,
        "accept-ranges": "bytes",
        "content-type": "text/plain;charset=utf-8",
        "content-length": "10",
      });
    });

    it("answers HEAD with the same head and no body", async () => {
      const whole = await get("/a.txt");
      const head = await client.request("HEAD /a.txt", { Range: "bytes=0-4" });
      assertEquals(head, { ...whole, body: "" });
      assertEquals((await get("/a.txt")).body, "0123456789");
    });

    it("sends the part that a Range field asks for", async () => {
      for (
        const [range, contentRange, part] of [
          ["bytes=0-4", "bytes 0-4/10", "01234"],
          ["bytes=8-", "bytes 8-9/10", "89"],
          ["bytes=-3", "bytes 7-9/10", "789"],
          ["bytes=5-99", "bytes 5-9/10", "56789"],
        ] as const
      ) {
        const { status, fields, body } = await get("/a.txt", { Range: range });
        assertEquals([status, fields["content-range"], body], [206, contentRange, part]);
        assertEquals(fields["content-type"], "text/plain;charset=utf-8");
      }
    });

    it("answers 416 with the size for a range outside", async () => {
      const { status, fields } = await get("/a.txt", { Range: "bytes=10-" });
      assertEquals([status, fields["content-range"]], [416, "bytes */10"]);
    });

    it("sends the whole file for a malformed range, and for several", async () => {
      for (const range of ["bytes=5-4", "bytes=x", "lines=1-2", "bytes=0-1,4-5", "bytes=0-1\r\nRange: bytes=4-5"]) {
        const { status, fields, body } = await get("/a.txt", { Range: range });
        assertEquals([status, fields["content-range"], body], [200, undefined, "0123456789"]);
      }
    });

    it("answers 304 without a body to a client that has this version", async () => {
      const etag = (await get("/a.txt")).fields["etag"]!;
      const { status, fields, body } = await get("/a.txt", { "If-None-Match": etag });
      assertEquals([status, body], [304, ""]);
      assertEquals(fields, {
        "x-content-type-options": "nosniff",
        etag,
        "last-modified": CHANGED,
        "accept-ranges": "bytes",
      });
      assertEquals((await get("/a.txt", { "If-Modified-Since": CHANGED })).status, 304);
      assertEquals((await get("/a.txt", { "If-None-Match": '"other"' })).body, "0123456789");
    });

    it("answers 412 to a client that wants another version", async () => {
      const { status, body } = await get("/a.txt", { "If-Match": '"other"' });
      assertEquals(status, 412);
      assert(!body.includes("0123456789"));
    });

    it("obeys If-Range: a part of the same version, or the whole of a new one", async () => {
      const etag = (await get("/a.txt")).fields["etag"]!;
      assertEquals((await get("/a.txt", { Range: "bytes=0-1", "If-Range": etag })).body, "01");
      assertEquals((await get("/a.txt", { Range: "bytes=0-1", "If-Range": CHANGED })).body, "01");
      assertEquals((await get("/a.txt", { Range: "bytes=0-1", "If-Range": '"other"' })).body, "0123456789");
      assertEquals((await get("/a.txt", { Range: "bytes=99-", "If-Range": '"other"' })).status, 200);
    });

    it("gives a file that has just changed a weak tag, and then sends no part of it", async () => {
      writeFileSync(join(folder.path, "www/new.txt"), "new");
      const etag = (await get("/new.txt")).fields["etag"]!;
      assertMatch(etag, /^W\/"/);
      assertEquals((await get("/new.txt", { "If-None-Match": etag })).status, 304);
      assertEquals((await get("/new.txt", { Range: "bytes=0-0", "If-Range": etag })).body, "new");
    });

    it("answers 404 when a slash follows the file's name", async () => {
      assertEquals([await statusOf("/a.txt/"), await statusOf("/a.txt/b")], [404, 404]);
    });

    it("answers 405 to other methods", async () => {
      const { status, fields } = await client.request("POST /a.txt", { "Content-Length": "2" }, "hi");
      assertEquals([status, fields["allow"]], [405, "GET, HEAD"]);
    });
  });

  it("sends an empty file", async () => {
    folder.file("www/empty.css", "");
    serve();
    const { status, fields, body } = await get("/empty.css");
    assertEquals([status, fields["content-length"], fields["content-type"], body], [
      200,
      "0",
      "text/css;charset=utf-8",
      "",
    ]);
    assertEquals((await get("/empty.css", { Range: "bytes=0-" })).status, 416);
  });

  it("sends large files completely, one after the other over one connection", async () => {
    const bytes = new Uint8Array(3_000_000).map((_byte, index) => 97 + index % 23);
    folder.file("www/large.bin", bytes);
    serve();
    const expected = new TextDecoder().decode(bytes);
    for (let count = 0; count < 3; count++) assert((await get("/large.bin")).body === expected);
    assert((await get("/large.bin", { Range: "bytes=1000001-" })).body === expected.slice(1_000_001));
  });

  it("sends along the fields that were set before", async () => {
    folder.file("www/a.txt", "a");
    const files = new StaticFiles(join(folder.path, "www"));
    server = new RunningServer((request) => {
      request.replyHeaders.set("Cache-Control", "max-age=60");
      files.serve(request);
    });
    client = new Client(server.port);
    assertEquals((await get("/a.txt")).fields["cache-control"], "max-age=60");
  });

  it("leaves other methods to its caller", async () => {
    const files = new StaticFiles(join(folder.path, "www"));
    const answers: boolean[] = [];
    server = new RunningServer((request) => {
      answers.push(files.serve(request));
      if (!request.replyStarted) request.reply(200, "mine");
    });
    client = new Client(server.port);
    assertEquals((await client.request("DELETE /")).body, "mine");
    assertEquals((await get("/")).status, 200);
    assertEquals(answers, [false, true]);
  });

  describe("with a folder", () => {
    it("redirects to the path with a slash, keeping the query", async () => {
      folder.file("www/a b/index.html", "in");
      serve();
      const { status, fields } = await get("/a%20b?x=1&y=%2F");
      assertEquals([status, fields["location"]], [301, "/a%20b/?x=1&y=%2F"]);
      assertEquals((await get("/a%20b")).fields["location"], "/a%20b/");
    });

    it("never redirects to another host", async () => {
      folder.file("www/host.example/x", "");
      serve();
      for (const path of ["//host.example", "/\\host.example", "/%2fhost.example", "/%5chost.example"]) {
        const { status, fields } = await get(path);
        assertEquals([status, fields["location"]], [404, undefined], path);
      }
      // The path of a whole URI is what counts.
      assertEquals((await get("http://localhost/host.example")).fields["location"], "/host.example/");
    });

    it("sends its index file, with the validators of a file", async () => {
      folder.file("www/index.html", "<p>home");
      folder.file("www/sub/index.html", "<p>sub");
      serve();
      const { status, fields, body } = await get("/");
      assertEquals([status, fields["content-type"], fields["last-modified"], body], [200, HTML, CHANGED, "<p>home"]);
      assertEquals((await get("/sub/")).body, "<p>sub");
      assertEquals((await get("/sub/", { "If-Modified-Since": CHANGED })).status, 304);
    });

    it("lists what is in it, folders first", async () => {
      folder.file("www/d/b.txt", "");
      folder.file("www/d/a.txt", "");
      folder.file("www/d/z/x", "");
      folder.file("www/d/.hidden", "");
      serve();
      const { status, fields, body } = await get("/d/");
      assertEquals([status, fields["content-type"], fields["last-modified"]], [200, HTML, undefined]);
      assertStringIncludes(body, "<h1>Index of /d/</h1>");
      assertEquals([...body.matchAll(/<li>(.*)<\/li>/g)].map((match) => match[1]), [
        '<a href="../">../</a>',
        '<a href="./z/">z/</a>',
        '<a href="./a.txt">a.txt</a>',
        '<a href="./b.txt">b.txt</a>',
      ]);
    });

    it("lists names as text and links that lead to them, whatever they contain", async () => {
      const names = [
        "<script>alert(1)</script>".replace("/", "-"),
        `"quote'.txt`,
        "a?b#c%41.txt",
        "javascript:x",
        "grün €",
      ];
      for (const name of names) folder.file(`www/${name}`, name);
      serve();
      const { body } = await get("/");
      assert(!body.includes("<script"));
      assertStringIncludes(body, "&lt;script&gt;alert(1)&lt;-script&gt;");
      const links = [...body.matchAll(/href="\.([^"]*)"/g)].map((match) => match[1]!.replaceAll("&#039;", "'"));
      assertEquals(links.length, names.length);
      for (const link of links) assertEquals(await statusOf(link), 200, link);
    });

    it("survives names that are not UTF-8, and shows them without a link", async () => {
      const made = spawnSync("sh", ["-c", `printf x > "$(printf 'bad\\377name')"`], { cwd: join(folder.path, "www") });
      if (made.status !== 0) return; // Some file systems refuse such names.
      folder.file("www/good", "");
      serve();
      const { status, body } = await get("/");
      assertEquals(status, 200);
      // The bytes of U+FFFD as Latin-1 shows them.
      assertStringIncludes(body, "<li>bad\u00ef\u00bf\u00bdname</li>");
      assertEquals([await statusOf("/bad%FFname"), await statusOf("/bad%EF%BF%BDname")], [400, 404]);
    });

    it("shows at most entriesMax names and says so", async () => {
      for (let index = 0; index < 5; index++) folder.file(`www/${index}`, "");
      serve({ entriesMax: 3 });
      const { body } = await get("/");
      assertEquals([...body.matchAll(/<li>/g)].length, 3);
      assertStringIncludes(body, "<p>There are more entries than these 3.</p>");
    });

    it("says nothing of more entries when all are shown", async () => {
      for (let index = 0; index < 3; index++) folder.file(`www/${index}`, "");
      serve({ entriesMax: 3 });
      assert(!(await get("/")).body.includes("more entries"));
    });

    it("answers 404 instead of a listing when told so", async () => {
      folder.file("www/a/x", "");
      serve({ listing: false });
      assertEquals([await statusOf("/"), await statusOf("/a/"), await statusOf("/a/x")], [404, 404, 200]);
    });

    it("takes the type of its index file from that name, whatever a link leads to", async () => {
      folder.file("www/releases/home-2", "<p>home");
      symlinkSync("releases/home-2", join(folder.path, "www/index.html"));
      serve();
      for (const path of ["/index.html", "/"]) {
        const { fields, body } = await get(path);
        assertEquals([fields["content-type"], body], [HTML, "<p>home"], path);
      }
    });

    it("goes by another index file, or none", async () => {
      folder.file("www/index.html", "html");
      folder.file("www/main.txt", "main");
      serve({ index: "main.txt" });
      assertEquals((await get("/")).body, "main");
      const without = new RunningServer(new StaticFiles(join(folder.path, "www"), { index: null }).handler);
      try {
        using second = new Client(without.port);
        assertStringIncludes((await second.request("GET /")).body, "Index of /");
      } finally {
        await without[Symbol.asyncDispose]();
      }
    });
  });

  it("answers 404 to names that are too long, and when the folder has gone", async () => {
    serve();
    assertEquals(await statusOf(`/${"x".repeat(300)}`), 404);
    assertEquals(await statusOf(`/${"x/".repeat(3000)}`), 404);
    rmSync(join(folder.path, "www"), { recursive: true });
    assertEquals([await statusOf("/"), await statusOf("/a")], [404, 404]);
    assertEquals(server.errors, []);
  });

  it("sends a file that is replaced meanwhile as one version, old or new", async () => {
    folder.file("www/a.txt", "old");
    serve();
    assertEquals((await get("/a.txt")).body, "old");
    renameSync(folder.file("other", "newer"), join(folder.path, "www/a.txt"));
    const { fields, body } = await get("/a.txt");
    assertEquals([fields["content-length"], body], ["5", "newer"]);
  });

  it("cuts the connection when a file shrinks while it is sent", async () => {
    const path = folder.file("www/large", "");
    const size = 256 * 1024 * 1024;
    truncateSync(path, size);
    serve();
    client.send("GET /large");
    await client.begun();
    client.socket.pause();
    // More than all socket buffers hold is still in the file.
    truncateSync(path, 1);
    client.socket.resume();
    const received = await client.rest();
    assertStringIncludes(received.slice(0, 1000), `Content-Length: ${size}`);
    assertLess(received.length, size);
  });

  it("closes every descriptor, however the request went", async () => {
    folder.file("www/a.txt", "0123456789");
    folder.file("www/empty", "");
    folder.file("www/sub/index.html", "sub");
    folder.file("www/list/x", "");
    folder.file("www/odd/index.html/x", "");
    symlinkSync("../secret.txt", join(folder.path, "www/out"));
    spawnSync("mkfifo", [join(folder.path, "www/pipe")]);
    serve();
    const askForAll = async (): Promise<void> => {
      for (
        const path of [
          "/a.txt",
          "/empty",
          "/sub",
          "/sub/",
          "/list/",
          "/odd/",
          "/out",
          "/pipe",
          "/missing",
          "/a.txt/",
          "/%ff",
        ]
      ) {
        await get(path);
        await client.request(`HEAD ${path}`);
      }
      await get("/a.txt", { Range: "bytes=1-2" });
      await get("/a.txt", { Range: "bytes=99-" });
      for (const path of ["/a.txt", "/sub/"]) await get(path, { "If-None-Match": "*" });
      await get("/a.txt", { "If-Match": '"other"' });
    };
    await askForAll();
    const before = openDescriptorCount();
    for (let count = 0; count < 5; count++) await askForAll();
    assertEquals(openDescriptorCount(), before);
  });

  it("is an error in a reply that has begun, and leaves no descriptor open", async () => {
    folder.file("www/a.txt", "a");
    const files = new StaticFiles(join(folder.path, "www"));
    const counts: number[] = [];
    server = new RunningServer((request) => {
      request.replyStart(200, { "Content-Length": "0" });
      for (let count = 0; count < 2; count++) {
        counts.push(openDescriptorCount());
        assertThrows(() => files.serve(request), Error, "a reply has begun already");
      }
      counts.push(openDescriptorCount());
      request.replyEnd();
    });
    client = new Client(server.port);
    assertEquals((await get("/a.txt")).status, 200);
    assertEquals(counts, Array(3).fill(counts[0]));
  });

  it("refuses a root that is missing or no folder", () => {
    const missing = assertThrows(() => new StaticFiles(join(folder.path, "nothing")), SystemError, "Cannot find");
    assertEquals(missing.code, "ENOENT");
    const file = assertThrows(() => new StaticFiles(join(folder.path, "secret.txt")), SystemError, "secret.txt");
    assertEquals(file.code, "ENOTDIR");
  });

  it("refuses limits that are no numbers", () => {
    for (const entriesMax of [-1, 1.5, NaN]) {
      assertThrows(() => new StaticFiles(folder.path, { entriesMax }), RangeError, "entriesMax");
    }
  });
});
