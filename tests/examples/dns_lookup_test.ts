import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase, TlsContext } from "../../mod.ts";
import { alongside } from "../core/async_support.ts";
import { a, aaaa, type Script, ScriptedServer } from "../dns/scripted_server.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { ExampleProcess } from "./example_process.ts";

/** The zone of these tests. */
const zone: Script = (query) => {
  switch (query.asked) {
    case "www.test A":
      return query.answer([a("192.0.2.1"), a("192.0.2.2")]);
    case "www.test AAAA":
      return query.answer([aaaa("2001:db8::1")]);
    case "www.test MX":
      return query.answer([{ kind: "MX", preference: 10, exchange: "mail.test" }]);
    case "www.test TXT":
      return query.answer([{ kind: "TXT", strings: [new TextEncoder().encode('say "hello"')] }]);
    case "1.2.0.192.in-addr.arpa PTR":
      return query.answer([{ kind: "PTR", target: "www.test" }]);
    default:
      return query.refuse(3);
  }
};

/** What the example prints, with a server that answers it. */
async function printed(
  options: readonly string[],
  how: { tls?: TlsContext } = {},
): Promise<[code: number | null, text: string]> {
  using base = new EventBase();
  using server = new ScriptedServer(base, zone, how);
  return await alongside(base, async () => {
    const example = new ExampleProcess("dns-lookup.ts", "-s", server.address, ...options);
    const code = await example.end();
    return [code, example.stdout + example.stderr];
  });
}

describe("examples/dns-lookup.ts", () => {
  it("prints one line per answer, and the code of the error otherwise", async () => {
    assertEquals(await printed(["www.test.", "nobody.test."]), [
      1,
      "www.test. A 192.0.2.1\nwww.test. A 192.0.2.2\nwww.test. AAAA 2001:db8::1\nnobody.test. DNS_NXDOMAIN\n",
    ]);
  });

  it("looks up records of a type, and names of addresses", async () => {
    assertEquals(await printed(["-t", "mx", "www.test"]), [0, "www.test 60 MX 10 mail.test.\n"]);
    assertEquals(await printed(["-t", "TXT", "--tcp", "www.test"]), [0, 'www.test 60 TXT "say \\"hello\\""\n']);
    assertEquals(await printed(["-x", "192.0.2.1", "192.0.2.9"]), [
      1,
      "192.0.2.1 PTR www.test\n192.0.2.9 DNS_NXDOMAIN\n",
    ]);
  });

  itNeeds("openssl", "openssl", "asks over TLS, and only whom it can trust", async () => {
    const { authority, server } = testCertificates();
    using tls = TlsContext.server({ certificate: server.certificate, key: server.key });
    const options = ["--tls", "-t", "A", "www.test"];
    assertEquals(await printed(["--ca", authority.certificateFile, ...options], { tls }), [
      0,
      "www.test 60 A 192.0.2.1\nwww.test 60 A 192.0.2.2\n",
    ]);
    assertEquals(await printed(options, { tls }), [1, "www.test DNS_UNREACHABLE\n"]);
  });

  it("explains itself, and refuses what it does not know", async () => {
    const help = new ExampleProcess("dns-lookup.ts", "--help");
    assertEquals(await help.end(), 0);
    assertStringIncludes(help.stdout, "--server");
    const wrong = [[], ["-t", "NONSENSE", "x"], ["--nonsense", "x"], ["-x", "nonsense"], ["-s", "example.com", "x"], [
      "--timeout",
      "x",
      "x",
    ]];
    for (const options of wrong) {
      const example = new ExampleProcess("dns-lookup.ts", ...options);
      assertEquals(await example.end(), 2, options.join(" "));
      assertMatch(example.stderr, /^dns-lookup: .+\n$/);
    }
  });
});
