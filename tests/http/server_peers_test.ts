/** Clients that others have written, against our server. */
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { serverContext } from "../tls/tls_support.ts";
import { output, pattern, PeerFolder, runPeer, sha256, withPeerService, withStandardService } from "./peer_support.ts";

const MIB = 1 << 20;

/** curl, whose complaints are what a failing test shows. */
function curl(...args: string[]): Promise<string> {
  return output(["curl", "--silent", "--show-error", "--max-time", "50", ...args]);
}

function itNeedsCurl(title: string, fn: () => Promise<void>): void {
  itNeeds("curl", "curl", title, fn);
}

describe("an HttpServer asked by curl", () => {
  itNeedsCurl(
    "keeps one connection for many requests, and those of HTTP/1.0 when they ask for that",
    () =>
      withPeerService(async ({ port, service }) => {
        const urls = Array.from({ length: 30 }, (_, index) => `http://127.0.0.1:${port}/bytes/${index}`);
        assertEquals(await curl(...urls), Array.from({ length: 30 }, (_, index) => pattern(index)).join(""));
        assertEquals([service.clients.size, service.requests], [1, 30]);
        assertEquals(await curl("--http1.0", "-H", "Connection: keep-alive", ...urls.slice(0, 3)), "aah");
        assertEquals(service.clients.size, 2);
        // Without being asked the connection ends, and chunks are not for HTTP/1.0.
        const text = await curl("--http1.0", "-i", `http://127.0.0.1:${port}/chunked/100000`);
        assert(text.endsWith(`\r\n\r\n${pattern(100_000)}`));
        assertStringIncludes(text, "\r\nConnection: close\r\n");
      }),
  );

  itNeedsCurl(
    "takes uploads of known and unknown length, with and without Expect",
    () =>
      withPeerService(async ({ port }) => {
        using folder = new PeerFolder();
        const large = pattern(8 * MIB + 1);
        const file = folder.write("large", large);
        const digest = `http://127.0.0.1:${port}/digest`;
        const expected = `${large.length} ${sha256(large)}`;
        assertEquals(await curl("-T", file, digest), expected);
        assertEquals(await curl("-T", file, "-H", "Transfer-Encoding: chunked", digest), expected);
        assertEquals(await curl("--data-binary", `@${file}`, "-H", "Expect:", digest), expected);
        const [, trace] = [await curl("-T", file, digest), await runPeer(["curl", "-sv", "-T", file, digest])];
        assertStringIncludes(trace.stderr, "< HTTP/1.1 100 Continue");
        assertEquals(trace.stdout, expected);
        const echoed = await curl(
          "--data-binary",
          `@${file}`,
          "-H",
          "Expect: 100-continue",
          `http://127.0.0.1:${port}/echo`,
        );
        assertEquals(sha256(echoed), sha256(large));
        const trailers = await curl("-F", `a=@${file}`, "-F", "b=2", digest);
        assertMatch(trailers, /^8388\d{3} /);
      }),
  );

  itNeedsCurl("refuses an upload that is too long before any of it is sent", () =>
    withPeerService(async ({ port }) => {
      using folder = new PeerFolder();
      const file = folder.write("large", "");
      await output(["truncate", "-s", String(65 * MIB), file]);
      const { stdout, stderr } = await runPeer([
        "curl",
        "-sv",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{size_upload}",
        "-T",
        file,
        `http://127.0.0.1:${port}/echo`,
      ]);
      assertEquals(stdout, "413 0");
      assert(!stderr.includes("100 Continue"), stderr);
    }));

  itNeedsCurl(
    "answers HEAD, PUT, DELETE, ranges of statuses and what there is not",
    () =>
      withPeerService(async ({ port }) => {
        const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
        assertStringIncludes(await curl("-I", url("/bytes/1000")), "\r\nContent-Length: 1000\r\n");
        assertEquals(await curl("-X", "DELETE", url("/echo")), "");
        assertEquals(await curl("-X", "PUT", "-d", "body", url("/echo")), "body");
        for (const status of ["204", "304", "404", "500", "503"]) {
          assertEquals(await curl("-o", "/dev/null", "-w", "%{http_code}", url(`/status/${status}`)), status);
        }
        assertEquals((await runPeer(["curl", "-s", "-f", url("/nothing")])).code, 22);
        // A body that breaks off is an error (18: partial file), not a short success.
        assertEquals((await runPeer(["curl", "-s", url("/cut")])).code, 18);
      }),
  );

  itNeedsCurl("serves many of its transfers at once", () =>
    withPeerService(async ({ port, service }) => {
      const urls = Array.from({ length: 60 }, (_, index) => `http://127.0.0.1:${port}/chunked/${index * 1000}`);
      const text = await curl("--parallel", "--parallel-max", "20", "-w", "", ...urls);
      assertEquals([text.length, service.requests], [1000 * 59 * 60 / 2, 60]);
    }));

  itNeedsCurl(
    "serves it over TLS, for those who check the certificate and those who do not",
    () =>
      withPeerService(async ({ server, service }) => {
        using context = serverContext();
        const { port } = server.listen({ port: 0, tls: context });
        using folder = new PeerFolder();
        const authority = folder.write("authority.pem", testCertificates().authority.certificate);
        const large = folder.write("large", pattern(3 * MIB));
        const resolve = ["--resolve", `localhost:${port}:127.0.0.1`];
        const url = (path: string): string => `https://localhost:${port}${path}`;
        assertEquals(
          await curl("--cacert", authority, ...resolve, url("/hello"), url("/bytes/9")),
          `hello${pattern(9)}`,
        );
        assertEquals(await curl("-k", `https://127.0.0.1:${port}/chunked/200000`), pattern(200_000));
        const digest = await curl(
          "--cacert",
          authority,
          ...resolve,
          "-T",
          large,
          "-H",
          "Transfer-Encoding: chunked",
          url("/digest"),
        );
        assertEquals(digest, `${3 * MIB} ${sha256(pattern(3 * MIB))}`);
        // It is the client who refuses: 60, peer certificate cannot be authenticated.
        assertEquals((await runPeer(["curl", "-s", ...resolve, url("/hello")])).code, 60);
        assertEquals(await curl("--cacert", authority, ...resolve, "--tls-max", "1.2", url("/hello")), "hello");
        assertEquals(service.requests, 5);
      }),
  );
});

describe("an HttpServer asked by wget", () => {
  itNeeds(
    "wget",
    "wget",
    "sends files of known and unknown length, on one connection",
    () =>
      withPeerService(async ({ port, service }) => {
        const paths = ["/bytes/100000", "/chunked/300000", "/late", "/declared/500000"];
        const urls = paths.map((path) => `http://127.0.0.1:${port}${path}`);
        const text = await output(["wget", "-q", "-O", "-", "--tries=1", "--timeout=50", ...urls]);
        assertEquals(sha256(text), sha256(`${pattern(100_000)}${pattern(300_000)}late${pattern(500_000)}`));
        assertEquals([service.clients.size, service.requests], [1, 4]);
      }),
  );

  itNeeds(
    "wget",
    "wget",
    "takes its forms, says what there is not, and is not believed when a body breaks off",
    () =>
      withPeerService(async ({ port }) => {
        const wget = (...args: string[]) => runPeer(["wget", "-q", "-O", "-", "--tries=1", "--timeout=50", ...args]);
        assertEquals((await wget("--post-data=a=1&b=2", `http://127.0.0.1:${port}/echo`)).stdout, "a=1&b=2");
        assertEquals((await wget(`http://127.0.0.1:${port}/nothing`)).code, 8);
        assert((await wget(`http://127.0.0.1:${port}/cut`)).code !== 0);
      }),
  );
});

describe("an HttpServer loaded by", () => {
  itNeeds(
    "ab",
    "apache2-utils",
    "ab, with and without keep-alive, and with bodies",
    () =>
      withPeerService(async ({ port, service }) => {
        using folder = new PeerFolder();
        const file = folder.write("body", pattern(5000));
        const loads = [
          ["/hello"],
          ["-k", "/hello"],
          ["-k", "-p", file, "-T", "application/octet-stream", "/echo"],
          ["-k", "-i", "/bytes/1000"],
        ];
        for (const load of loads) {
          const args = [...load.slice(0, -1), `http://127.0.0.1:${port}${load.at(-1)}`];
          const report = await output(["ab", "-q", "-n", "1000", "-c", "20", ...args]);
          assertMatch(report, /Complete requests: +1000\n/);
          assertMatch(report, /Failed requests: +0\n/);
          assert(!/Non-2xx/.test(report), report);
          if (load[0] === "-k") assertMatch(report, /Keep-Alive requests: +1000\n/);
        }
        assertEquals(service.requests, 4000);
      }),
  );

  itNeeds(
    "wrk",
    "wrk",
    "wrk, plainly and with requests of its own making, pipelined",
    () =>
      withPeerService(async ({ port }) => {
        using folder = new PeerFolder();
        const script = folder.write(
          "pipeline.lua",
          `init = function(args)
           local all = {}
           for i = 1, 8 do all[i] = wrk.format(i % 2 == 0 and "POST" or "GET", i % 2 == 0 and "/echo" or "/bytes/" .. i * 100, nil,
             i % 2 == 0 and string.rep("x", i * 1000) or nil) end
           pipelined = table.concat(all)
         end
         request = function() return pipelined end`,
        );
        for (const args of [["/hello"], ["-s", script, "/"]]) {
          const url = `http://127.0.0.1:${port}${args.at(-1)}`;
          const report = await output(["wrk", "-t1", "-c16", "-d1s", "--timeout", "30s", ...args.slice(0, -1), url]);
          const failures = /Socket errors:.*|Non-2xx.*/.exec(report)?.[0];
          assertEquals(failures, undefined, report);
          assertLess(0, Number(/(\d+) requests in/.exec(report)?.[1]), report);
        }
      }),
  );
});

describe("an HttpServer asked by clients of node and npm", () => {
  itNeeds(
    "node",
    "nodejs",
    "holds what node:http, undici and fetch expect",
    () =>
      withPeerService(async ({ port, errors }) => {
        const script = fileURLToPath(new URL("node_peers.mjs", import.meta.url));
        assertEquals((await output(["node", script, String(port)])).trimEnd().split("\n"), [
          "node:http keeps one connection for everything",
          "node:http asks 500 times on 50 connections",
          "node:http upgrades",
          "node:http notices a body that breaks off",
          "undici pipelines",
          "undici streams a body up, and down again",
          "undici streams bodies of known and unknown length",
          "undici goes away in the middle of a reply",
          "fetch sends forms, and notices a body that breaks off",
        ]);
        assertEquals(errors, []);
      }),
  );
});

describe("a standard handler asked by curl", () => {
  itNeedsCurl(
    "takes and sends bodies of every kind, and is not believed when its own breaks off",
    () =>
      withStandardService(async ({ port, service, errors }) => {
        using folder = new PeerFolder();
        const large = pattern(8 * MIB + 1);
        const file = folder.write("large", large);
        const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
        const expected = `${large.length} ${sha256(large)}`;
        for (const fields of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]]) {
          assertEquals(await curl("-T", file, ...fields, url("/digest")), expected);
        }
        assertEquals(sha256(await curl("-T", file, url("/echo"))), sha256(large));
        const paths = ["/hello", "/bytes/1000", "/chunked/300000", "/declared/300000", "/late", "/status/204"];
        const before = service.clients.size;
        const text = await curl(...paths.map(url));
        assertEquals(sha256(text), sha256(`hello${pattern(1000)}${pattern(300_000)}${pattern(300_000)}late`));
        assertEquals(service.clients.size - before, 1);
        assertStringIncludes(await curl("-I", url("/bytes/1000")), "\r\nContent-Length: 1000\r\n");
        assertEquals(errors, []);
        assertEquals((await runPeer(["curl", "-s", url("/cut")])).code, 18);
        assertEquals(errors.map(String), ["Error: the source breaks off"]);
      }),
  );
});

describe("an HttpServer asked by C libevent's evhttp", () => {
  itNeeds(
    "cc",
    "gcc",
    "gives it whole replies of every kind on one connection",
    () =>
      withPeerService(async ({ port, service }) => {
        using folder = new PeerFolder();
        const program = folder.compile(new URL("evhttp_client.c", import.meta.url), "event_core", "event_extra");
        const sent = (length: number): string =>
          Array.from({ length }, (_, index) => String.fromCharCode(97 + index * 31 % 26)).join("");
        const line = (what: string, status: number, body: string): string =>
          `${what} ${status} ${body.length} ${fnv1a(body)}`;
        const lines = (await output([program, String(port)])).trimEnd().split("\n");
        const page = lines[6]!.replace(/^GET \/nothing 404 \d+ [0-9a-f]{8}$/, "an error page");
        assertEquals([...lines.slice(0, 6), page, ...lines.slice(7)], [
          line("GET /hello", 200, "hello"),
          line("POST /echo", 200, sent(300_000)),
          line("PUT /echo", 200, sent(10)),
          line("GET /chunked/500000", 200, pattern(500_000)),
          line("HEAD /bytes/1000", 200, ""),
          line("GET /status/204", 204, ""),
          "an error page",
          line("GET /late", 200, "late"),
          line("DELETE /echo", 200, ""),
          line("GET /bytes/1000000", 200, pattern(1_000_000)),
        ]);
        assertEquals([service.clients.size, service.requests], [1, 10]);
      }),
  );
});

/** The 32-bit FNV-1a hash of text with one byte per character, in hexadecimal. */
function fnv1a(text: string): string {
  let value = 2166136261;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  return (value >>> 0).toString(16).padStart(8, "0");
}
