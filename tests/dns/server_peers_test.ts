/** Our server asked by dig, kdig, dnsperf, glibc and libevent; and libevent's server held against ours. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSocket } from "node:dgram";
import { EventBase } from "../../src/core/mod.ts";
import {
  buildDnsMessage,
  DNS_ERR_SERVERFAILED,
  type DnsHandler,
  dnsRecord,
  DnsServer,
  type DnsServerOptions,
  EVDNS_ADDITIONAL_SECTION,
  EVDNS_AUTHORITY_SECTION,
  EVDNS_FLAGS_AA,
  EVDNS_FLAGS_RD,
  Zone,
  zoneHandler,
} from "../../src/dns/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { Peer, type PeerResult, runPeer } from "../tls/peer_program.ts";
import { serverContext } from "../tls/tls_support.ts";
import { CPeer, itNeedsLibevent } from "./c_peer.ts";
import { hex } from "./message_support.ts";
import { query } from "./server_support.ts";

const zone = Zone.parse(`
$ORIGIN example.org.
$TTL 300
@      SOA    ns root 7 1d 2h 4w 5m
       NS     ns
       MX     10 mail
       TXT    "two" "strings; \\"quoted\\""
       CAA    0 issue "ca.example.net"
ns     A      192.0.2.53
mail   A      192.0.2.25
www    CNAME  web
web    A      192.0.2.80
       A      192.0.2.81
       AAAA   2001:db8::80
       HTTPS  1 . alpn=h2,h3 ipv4hint=192.0.2.80
_x._tcp SRV   1 2 8080 web
odd    TYPE731 \\# 3 abcdef
*.wild A      192.0.2.99
a\\.dot A     192.0.2.7
${Array.from({ length: 60 }, (_, index) => `many   A 192.0.2.${index}\nmany AAAA 2001:db8::${index}`).join("\n")}
`);
const reverse = Zone.parse(
  `
@ 60 SOA ns root 1 2 3 4 5
1 PTR host.example.org.
`,
  { origin: "2.0.192.in-addr.arpa" },
);

/** Runs a program that asks a server on the port it is told. */
async function served(
  run: (base: EventBase, port: number, server: DnsServer) => Promise<PeerResult>,
  handler: DnsHandler = zoneHandler([zone, reverse]),
  options: DnsServerOptions = {},
): Promise<string> {
  using base = new EventBase();
  using server = new DnsServer(base, options, handler);
  const { port } = server.listen({ port: 0 });
  const { code, stdout, stderr } = await run(base, port, server);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  return stdout;
}

function dig(args: readonly string[], handler?: DnsHandler, options?: DnsServerOptions): Promise<string> {
  return served(
    (base, port) => {
      return runPeer(base, "dig", ["@127.0.0.1", "-p", String(port), "+time=10", "+tries=2", ...args]);
    },
    handler,
    options,
  );
}

/** The lines of an answer in the columns that dig and kdig have. */
function records(output: string): string[] {
  const lines = output.split("\n").filter((line) => line !== "" && !line.startsWith(";"));
  return lines.map((line) => line.split(/\s+/).join(" "));
}

function assertLineCount(output: string, count: number): void {
  assertEquals(output.trim().split("\n").length, count, output);
}

describe("dig asks a DNS server of ours", () => {
  itNeeds("dig", "bind9-dnsutils", "for every type, and shows what the zone file says", async () => {
    const cases: [name: string, type: string, answers: string[]][] = [
      ["example.org", "SOA", ["ns.example.org. root.example.org. 7 86400 7200 2419200 300"]],
      ["example.org", "NS", ["ns.example.org."]],
      ["example.org", "MX", ["10 mail.example.org."]],
      ["example.org", "TXT", ['"two" "strings; \\"quoted\\""']],
      ["example.org", "CAA", ['0 issue "ca.example.net"']],
      ["www.example.org", "A", ["web.example.org.", "192.0.2.80", "192.0.2.81"]],
      ["web.example.org", "AAAA", ["2001:db8::80"]],
      ["web.example.org", "HTTPS", ['1 . alpn="h2,h3" ipv4hint=192.0.2.80']],
      ["_x._tcp.example.org", "SRV", ["1 2 8080 web.example.org."]],
      ["odd.example.org", "TYPE731", ["\\# 3 ABCDEF"]],
      ["a.b.wild.example.org", "A", ["192.0.2.99"]],
      ["a\\.dot.example.org", "A", ["192.0.2.7"]],
    ];
    const args = cases.flatMap(([name, type]) => [name, type, "+short"]);
    const output = await dig(args);
    assertEquals(output.trim().split("\n"), cases.flatMap(([, , answers]) => answers));
  });

  itNeeds("dig", "bind9-dnsutils", "about what is not there, and what is not ours", async () => {
    const missing = await dig(["nothing.example.org", "A"]);
    assertStringIncludes(missing, "status: NXDOMAIN");
    assertMatch(missing, /flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1/);
    assertMatch(missing, /EDNS: version: 0, flags:; udp: 1232/);
    assertStringIncludes(await dig(["web.example.org", "MX"]), "status: NOERROR");
    assertStringIncludes(await dig(["example.com"]), "status: REFUSED");
    assertStringIncludes(await dig(["-x", "192.0.2.1", "+short"]), "host.example.org.");
  });

  itNeeds("dig", "bind9-dnsutils", "over TCP, and again over TCP when an answer was cut", async () => {
    assertLineCount(await dig(["+tcp", "many.example.org", "A", "+short"]), 60);
    const retried = await dig(["+noedns", "many.example.org", "AAAA"]);
    assertStringIncludes(retried, ";; Truncated, retrying in TCP mode.");
    assertLineCount(records(retried).join("\n"), 60);
    const cut = await dig(["+noedns", "+ignore", "many.example.org", "AAAA"]);
    assertMatch(cut, /flags: qr aa tc rd/);
    const large = await dig(["+bufsize=4096", "+ignore", "many.example.org", "A"], undefined, { maxUdpBytes: 4096 });
    assertMatch(large, /flags: qr aa rd; QUERY: 1, ANSWER: 60/);
    const limited = await dig(["+bufsize=4096", "+ignore", "many.example.org", "AAAA"]);
    assertMatch(limited, /flags: qr aa tc rd; QUERY: 1, ANSWER: 42/);
  });

  itNeeds(
    "dig",
    "bind9-dnsutils",
    "with many queries on one connection, in other letters, and other versions of EDNS",
    async () => {
      const names = ["www", "web", "mail", "ns"].flatMap((name) => [`${name}.example.org`, "A"]);
      assertLineCount(await dig(["+tcp", "+keepopen", "+short", ...names]), 7);
      assertStringIncludes(await dig(["wEb.ExAmPlE.oRg", "AAAA"]), "wEb.ExAmPlE.oRg.");
      assertStringIncludes(await dig(["+edns=1", "+noednsnegotiation", "web.example.org"]), "status: BADVERS");
      assertStringIncludes(await dig(["+opcode=notify", "web.example.org"]), "status: NOTIMP");
      assertStringIncludes(
        await dig(["+cookie", "+nsid", "+subnet=192.0.2.0/24", "+padding=128", "+dnssec", "web.example.org"]),
        "status: NOERROR",
      );
    },
  );

  itNeeds(
    "dig",
    "bind9-dnsutils",
    "and is told SERVFAIL when the handler throws, and nothing when it drops",
    async () => {
      const failed = await dig(["a.example"], () => {
        throw new Error("on purpose");
      }, { onError: () => {} });
      assertStringIncludes(failed, "status: SERVFAIL");
      const later = await dig(["a.example"], async (request) => {
        await Promise.resolve();
        request.respond(DNS_ERR_SERVERFAILED);
      });
      assertStringIncludes(later, "status: SERVFAIL");
      using base = new EventBase();
      using server = new DnsServer(base, {}, (request) => request.drop());
      const { port } = server.listen({ port: 0 });
      const { code } = await runPeer(base, "dig", [
        "@127.0.0.1",
        "-p",
        String(port),
        "+time=1",
        "+tries=1",
        "a.example",
      ]);
      assertEquals([code, server.counts.answered], [9, 0]);
    },
  );
});

describe("kdig asks a DNS server of ours", () => {
  itNeeds("kdig", "knot-dnsutils", "over UDP and TCP, and keeps the connection open", async () => {
    const output = await served((base, port) => {
      const where = ["@127.0.0.1", "-p", String(port), "+short", "+timeout=10"];
      return runPeer(base, "kdig", [...where, "+keepopen", "+tcp", "web.example.org", "A", "web.example.org", "AAAA"]);
    });
    assertEquals(output.trim().split("\n").sort(), ["192.0.2.80", "192.0.2.81", "2001:db8::80"]);
    const udp = await served((base, port) => {
      return runPeer(base, "kdig", ["@127.0.0.1", "-p", String(port), "+edns", "many.example.org", "A"]);
    });
    assertMatch(udp, /status: NOERROR/);
    assertEquals(records(udp).length, 60);
  });

  itNeeds(
    "kdig",
    "knot-dnsutils",
    "over TLS, and gets answers as long as others where it pads its queries",
    async () => {
      using context = serverContext();
      using base = new EventBase();
      using server = new DnsServer(base, {}, zoneHandler([zone]));
      const { port } = server.listenTcp({ port: 0, tls: context });
      const received = async (name: string, ...more: string[]): Promise<string> => {
        const where = ["@127.0.0.1", "-p", String(port), "+tls", "+edns", ...more];
        const { stdout } = await runPeer(base, "kdig", [...where, name, "A"]);
        assertMatch(stdout, /status: NOERROR/);
        return /Received (\d+) B/.exec(stdout)![1]!;
      };
      assertEquals(await received("web.example.org", "+padding"), "468");
      assertEquals(await received("many.example.org", "+padding"), "1404");
      assert(Number(await received("web.example.org", "+nopadding")) < 100);
    },
  );

  itNeeds("kdig", "knot-dnsutils", "over TLS", async () => {
    using context = serverContext();
    using base = new EventBase();
    const seen: string[] = [];
    using server = new DnsServer(base, {}, (request) => {
      seen.push(request.transport);
      return zoneHandler([zone])(request);
    });
    const { port } = server.listenTcp({ port: 0, tls: context });
    const { code, stdout, stderr } = await runPeer(base, "kdig", [
      "@127.0.0.1",
      "-p",
      String(port),
      "+tls",
      "+short",
      "web.example.org",
    ]);
    assertEquals([code, stdout.trim().split("\n"), seen], [0, ["192.0.2.80", "192.0.2.81"], ["tls"]], stderr);
  });
});

describe("dnsperf asks a DNS server of ours", () => {
  for (const mode of ["udp", "tcp"]) {
    itNeeds("dnsperf", "dnsperf", `over ${mode}, and every query is answered`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "evbase-dnsperf-"));
      try {
        const file = join(folder, "queries");
        writeFileSync(file, "web.example.org A\nwww.example.org AAAA\nnothing.example.org A\nexample.org MX\n");
        const count = 2000;
        const output = await served((base, port) =>
          runPeer(base, "dnsperf", [
            ...["-s", "127.0.0.1", "-p", String(port), "-d", file, "-m", mode, "-t", "15"],
            ...["-n", String(count / 4), "-q", "50", "-c", "4", "-e"],
          ])
        );
        assertMatch(output, new RegExp(`Queries completed: +${count} \\(100\\.00%\\)`));
        assertMatch(output, /NOERROR 1500 \(75\.00%\), NXDOMAIN 500 \(25\.00%\)/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

describe("glibc's resolver asks a DNS server of ours", () => {
  itNeeds("cc", "gcc", "over UDP, and over TCP when the answer is too long or it wants to", async () => {
    using peer = new CPeer("glibc_lookup.c", ["resolv"]);
    const ask = (name: string, type: number, ...more: string[]): Promise<string> =>
      served((base, port) => runPeer(base, peer.path, [String(port), name, String(type), ...more]));
    assertEquals(records((await ask("www.example.org", 1)).replace(/^.*\n/, "")), [
      "www.example.org. 5M IN CNAME web.example.org.",
      "web.example.org. 5M IN A 192.0.2.80",
      "web.example.org. 5M IN A 192.0.2.81",
    ]);
    assertStringIncludes(await ask("example.org", 15, "tcp"), "10 mail.example.org.");
    const many = await ask("many.example.org", 28);
    assertStringIncludes(many, "aa 1 tc 0");
    assertEquals(many.trim().split("\n").length, 61);
    // HOST_NOT_FOUND and NO_DATA.
    assertEquals(await ask("nothing.example.org", 1), "error 1\n");
    assertEquals(await ask("mail.example.org", 28), "error 4\n");
  });
});

describe("libevent's resolver asks a DNS server of ours", () => {
  itNeedsLibevent("for addresses and names, letters at random, and takes every answer", async () => {
    using peer = new CPeer("evdns_lookup.c", ["event"]);
    const output = await served((base, port) => {
      const questions = [
        ...["a", "web.example.org", "a", "www.example.org", "aaaa", "web.example.org", "a", "nothing.example.org"],
        ...["aaaa", "mail.example.org", "ptr", "192.0.2.1", "a", "example.com"],
      ];
      return runPeer(base, peer.path, [String(port), ...questions]);
    });
    assertEquals(output.trim().split("\n").sort(), [
      "a example.com 5",
      "a nothing.example.org 3",
      "a web.example.org 0 ttl 300 192.0.2.80 192.0.2.81",
      "a www.example.org 0 ttl 300 192.0.2.80 192.0.2.81",
      "aaaa mail.example.org 70",
      "aaaa web.example.org 0 ttl 300 2001:db8::80",
      "ptr 192.0.2.1 0 ttl 60 host.example.org",
    ]);
  });

  itNeedsLibevent("and gets from it, byte for byte, what libevent's own server answers", async () => {
    using peer = new CPeer("evdns_server.c", ["event"]);
    const theirs = new Peer(peer.path, [], { holdInput: "never" });
    const [, theirPort] = await theirs.printed(/port (\d+)/);
    using base = new EventBase();
    using server = new DnsServer(base, {}, (request) => {
      request.setFlags(EVDNS_FLAGS_AA | EVDNS_FLAGS_RD);
      request.addA("zz.example.com", "192.168.11.11", 10);
      request.addCname("b.example.com", "zz.example.com", 20);
      request.add(EVDNS_AUTHORITY_SECTION, dnsRecord("example.com", 5, { kind: "NS", target: "b.example.com" }));
      request.add(EVDNS_ADDITIONAL_SECTION, dnsRecord("b.example.com", 6, { kind: "AAAA", address: "::1" }));
      request.respond();
    });
    const { port } = server.listen({ port: 0 });
    const message = buildDnsMessage(query("zz.example.com", "A", { flags: 0x0110 }));
    const answers = Promise.all([exchange(Number(theirPort), message), exchange(port, message)]);
    answers.finally(() => base.loopExit()).catch(() => {});
    await base.run();
    const [their, our] = await answers;
    await theirs.stop();
    assert(their.length > 100);
    assertEquals(hex(our), hex(their));
  });
});

/** Asks by the host's own datagrams until an answer comes. */
function exchange(port: number, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const send = (): void => socket.send(message, port, "127.0.0.1");
    const again = setInterval(send, 500);
    socket.once("message", (answer) => {
      clearInterval(again);
      socket.close(() => resolve(new Uint8Array(answer)));
    });
    send();
  });
}
