/** What must not be reachable through {@linkcode StaticFiles}. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { OpenFile, StaticFiles, type StaticFilesOptions } from "../../mod.ts";
import { os } from "../../src/ffi/mod.ts";
import { Client, Folder, type Reply, RunningServer } from "./static_support.ts";

const HTML = "text/html;charset=utf-8";
const onLinux = os.name === "linux";

function isReadable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

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

  const get = (path: string): Promise<Reply> => client.request(`GET ${path}`);
  const statusOf = async (path: string): Promise<number> => (await get(path)).status;

  it("stays inside its folder, whatever the spelling of a path", async () => {
    folder.file("www/sub/x", "");
    serve();
    for (
      const path of [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2E/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/%252e%252e/secret.txt",
        "/sub/%2e",
      ]
    ) {
      const { status, body } = await get(path);
      assertEquals([status, body.includes("secret")], [404, false], path);
    }
    for (const path of ["/%c0%ae%c0%ae/secret.txt", "/%00", "/sub%00.txt", "/%", "/%zz"]) {
      assertEquals(await statusOf(path), 400, path);
      // The parser closes the connection behind an escape that is none.
      client[Symbol.dispose]();
      client = new Client(server.port);
    }
    assertEquals(server.errors, []);
  });

  it("does not follow links that lead outside, also not to a folder whose name begins like its own", async () => {
    folder.file("www-other/x", "other");
    symlinkSync("../secret.txt", join(folder.path, "www/file"));
    symlinkSync("..", join(folder.path, "www/up"));
    symlinkSync(join(folder.path, "www-other"), join(folder.path, "www/other"));
    symlinkSync("file", join(folder.path, "www/twice"));
    symlinkSync("loop", join(folder.path, "www/loop"));
    symlinkSync("nothing", join(folder.path, "www/dangling"));
    serve();
    for (
      const path of ["/file", "/up", "/up/", "/up/secret.txt", "/other/x", "/other/", "/twice", "/loop", "/dangling"]
    ) {
      assertEquals(await statusOf(path), 404, path);
    }
    assertEquals(server.errors, []);
  });

  it("lists a folder whose index file is a link to the outside", async () => {
    symlinkSync("../secret.txt", join(folder.path, "www/index.html"));
    serve();
    const { status, body } = await get("/");
    assertEquals([status, body.includes("secret")], [200, false]);
    assertStringIncludes(body, "Index of /");
  });

  it("lists the folder that was looked at, whatever takes its place meanwhile", { ignore: !onLinux }, async () => {
    folder.file("outside/secret.txt", "secret");
    folder.file("www/list/a.txt", "a");
    const list = join(folder.path, "www/list");
    serve();
    const isFolder = Object.getOwnPropertyDescriptor(OpenFile.prototype, "isFolder")!;
    Object.defineProperty(OpenFile.prototype, "isFolder", {
      configurable: true,
      get(this: OpenFile): boolean {
        if (this.path === list) {
          renameSync(list, join(folder.path, "moved"));
          symlinkSync("../outside", list);
        }
        return isFolder.get!.call(this);
      },
    });
    try {
      const { body } = await get("/list/");
      assertEquals([body.includes("secret.txt"), body.includes("a.txt")], [false, true]);
    } finally {
      Object.defineProperty(OpenFile.prototype, "isFolder", isFolder);
    }
  });

  it("follows links that stay inside, and its own when it is one", async () => {
    folder.file("www/real/a.txt", "a");
    symlinkSync("real", join(folder.path, "www/alias"));
    symlinkSync("real/a.txt", join(folder.path, "www/b.html"));
    symlinkSync("www", join(folder.path, "root"));
    serve({}, "root");
    assertEquals((await get("/alias/a.txt")).body, "a");
    const { fields, body } = await get("/b.html");
    assertEquals([fields["content-type"], body], [HTML, "a"]);
    assertEquals((await get("/alias")).fields["location"], "/alias/");
  });

  it("keeps hidden names to itself, also through links, unless told otherwise", async () => {
    folder.file("www/.env", "key");
    folder.file("www/.git/config", "config");
    symlinkSync(".env", join(folder.path, "www/env"));
    serve();
    for (const path of ["/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/env"]) {
      assertEquals(await statusOf(path), 404, path);
    }
    const open = new RunningServer(new StaticFiles(join(folder.path, "www"), { hidden: true }).handler);
    try {
      using second = new Client(open.port);
      assertEquals((await second.request("GET /.git/config")).body, "config");
      assertStringIncludes((await second.request("GET /")).body, `<a href="./.env">.env</a>`);
    } finally {
      await open[Symbol.asyncDispose]();
    }
  });

  it("serves neither pipes nor devices, and does not wait for them", async () => {
    assertEquals(spawnSync("mkfifo", [join(folder.path, "www/pipe")]).status, 0);
    symlinkSync("/dev/zero", join(folder.path, "www/zero"));
    serve();
    assertEquals([await statusOf("/pipe"), await statusOf("/pipe/"), await statusOf("/zero")], [404, 404, 404]);
    assert(!(await get("/")).body.includes("pipe"));
  });

  it("answers 403 to what it may not read", async () => {
    const path = folder.file("www/locked", "x");
    chmodSync(path, 0);
    if (isReadable(path)) return; // The superuser may read everything.
    serve();
    assertEquals(await statusOf("/locked"), 403);
  });
});
