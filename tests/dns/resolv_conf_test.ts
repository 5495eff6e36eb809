import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatSocketAddress, HostsTable, parseResolvConf, ServicesTable } from "../../mod.ts";

describe("parseResolvConf", () => {
  const servers = (text: string): string[] => parseResolvConf(text).nameservers.map(formatSocketAddress);

  it("reads name servers in their order, with a port where there is one", () => {
    assertEquals(
      servers(
        "nameserver 192.0.2.1\nnameserver\t2001:db8::1  \n  nameserver 127.0.0.1:5353\nnameserver [::1]:5300\nnameserver [::2]\n",
      ),
      ["192.0.2.1:53", "[2001:db8::1]:53", "127.0.0.1:5353", "[::1]:5300", "[::2]:53"],
    );
    assertEquals(servers("nameserver fe80::1%7\n"), ["[fe80::1%7]:53"]);
  });

  it("reads over what is no address, comments and unknown words", () => {
    const text =
      "# nameserver 192.0.2.9\n; nameserver 192.0.2.9\n\nnameserver\nnameserver example.com\nnameserver 192.0.2\n" +
      "nameserver 192.0.2.1 # the first\nnameserver 192.0.2.2 ;the second\nsortlist 192.0.2.0\nNAMESERVER 192.0.2.9\n" +
      "nameserver unix:/x\nnameserver 192.0.2.3:99999\n";
    assertEquals(servers(text), ["192.0.2.1:53", "192.0.2.2:53"]);
  });

  it("ends lines as any system does, also the last one without an end", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = ["nameserver 192.0.2.1", "search a.test", "nameserver 192.0.2.2"].join(end);
      assertEquals(servers(text), ["192.0.2.1:53", "192.0.2.2:53"]);
      assertEquals(parseResolvConf(text).search, ["a.test"]);
    }
    assertEquals(servers("\ufeffnameserver 192.0.2.1"), ["192.0.2.1:53"]);
  });

  it("keeps the order of search domains, and takes the last of the search and domain lines", () => {
    const search = (text: string): readonly string[] | undefined => parseResolvConf(text).search;
    assertEquals(search("nameserver 192.0.2.1\n"), undefined);
    assertEquals(search("search b.test a.test. .c.test\n"), ["b.test", "a.test", "c.test"]);
    assertEquals(search("search a.test\ndomain b.test ignored.test\n"), ["b.test"]);
    assertEquals(search("domain b.test\nsearch a.test c.test\n"), ["a.test", "c.test"]);
    assertEquals(search("search .\n"), []);
    assertEquals(search("search a..test ok.test m\u00fcller.test\n"), ["ok.test"]);
  });

  it("hands options on as they are written, and they add up", () => {
    assertEquals(parseResolvConf("options ndots:2 rotate timeout:\noptions edns0 bind-to:[::1]:0\n").options, [
      ["ndots", "2"],
      ["rotate", ""],
      ["timeout", ""],
      ["edns0", ""],
      ["bind-to", "[::1]:0"],
    ]);
  });

  it("takes only so many of each", () => {
    const many = (line: (index: number) => string): string => Array.from({ length: 300 }, (_, i) => line(i)).join("\n");
    assertEquals(servers(many((index) => `nameserver 192.0.2.${index % 256}`)).length, 32);
    assertEquals(parseResolvConf(`search ${many((i) => `d${i}.test`).replaceAll("\n", " ")}`).search?.length, 32);
    assertEquals(parseResolvConf(many(() => "options rotate")).options.length, 64);
  });
});

describe("HostsTable", () => {
  const found = (table: HostsTable, name: string): string[] | undefined =>
    table.find(name)?.addresses.map(({ host, scope }) => scope === undefined ? host : `${host}%${scope}`);

  it("finds names in any case, with all their addresses in the order of the file", () => {
    const hosts = HostsTable.parse(
      "127.0.0.1 localhost\n::1 localhost ip6-localhost\n192.0.2.1\tWWW.Example.COM\twww # comment www2\n" +
        "192.0.2.1 www\n2001:0DB8::0:1 www\nfe80::1%3 link\n",
    );
    assertEquals(found(hosts, "LOCALHOST"), ["127.0.0.1", "::1"]);
    assertEquals(found(hosts, "www.example.com."), ["192.0.2.1"]);
    assertEquals(found(hosts, "www"), ["192.0.2.1", "2001:db8::1"]);
    assertEquals(hosts.find("www")?.canonicalName, "WWW.Example.COM");
    assertEquals(found(hosts, "link"), ["fe80::1%3"]);
    assertEquals(found(hosts, "www2"), undefined);
    assertEquals(found(hosts, "no\u00fcname"), undefined);
    assertEquals(hosts.namesOf("2001:db8:0::1"), ["www"]);
    assertEquals(hosts.namesOf("192.0.2.1"), ["WWW.Example.COM", "www"]);
    assertEquals(hosts.namesOf("192.0.2.77"), []);
  });

  it("reads over lines that make no sense", () => {
    const hosts = HostsTable.parse("nonsense name\n192.0.2.1\n#192.0.2.1 a\n192.0.2.300 b\n192.0.2.2 c..d e\n\n");
    assertEquals(hosts.size, 1);
    assertEquals(found(hosts, "e"), ["192.0.2.2"]);
  });

  it("holds no more than 64 addresses of a name", () => {
    const hosts = HostsTable.parse(Array.from({ length: 200 }, (_, index) => `192.0.2.${index} many`).join("\n"));
    assertEquals(found(hosts, "many")?.length, 64);
  });

  it("knows localhost where there is no file", () => {
    assertEquals(found(HostsTable.localhostOnly(), "localhost"), ["127.0.0.1", "::1"]);
  });
});

describe("ServicesTable", () => {
  it("finds ports by name and alias, apart for each protocol", () => {
    const services = ServicesTable.parse(
      "# comment\nhttp\t80/tcp\twww # WorldWideWeb\ndomain 53/tcp\ndomain 53/UDP\nhttp 8080/tcp\nodd 99999/tcp\nsctpish 5/sctp\nbad\n",
    );
    assertEquals(services.port("http", "tcp"), 80);
    assertEquals(services.port("www", "tcp"), 80);
    assertEquals(services.port("http", "udp"), undefined);
    assertEquals(services.port("domain", "udp"), 53);
    for (const name of ["odd", "sctpish", "bad", "WWW"]) assertEquals(services.port(name, "tcp"), undefined);
    assertEquals(ServicesTable.usual().port("https", "tcp"), 443);
  });
});
