/** Our server of the bench of DNS servers. It answers with one address, or with `zone` as its argument for a zone of a thousand names. */
import process from "node:process";
import { type DnsHandler, DnsServer, EVDNS_FLAGS_AA, EventBase, Zone, zoneHandler } from "../../mod.ts";

const hosts = Array.from({ length: 1000 }, (_, index) => `host-${index} A 192.0.2.1`).join("\n");
const handler: DnsHandler = process.argv[2] === "zone"
  ? zoneHandler([Zone.parse(`$TTL 60\n@ SOA ns root 1 1d 2h 4w 5m\n${hosts}\n`, { origin: "example.org" })])
  : (request) => {
    request.setFlags(EVDNS_FLAGS_AA);
    request.addA(request.question.name, "192.0.2.1", 60);
    request.respond();
  };
using base = new EventBase();
using server = new DnsServer(base, {}, handler);
const { port } = server.listenUdp({ port: 0, receiveBufferBytes: 1_000_000 });
base.signal("SIGTERM", () => base.loopBreak()).add();
console.log(`listening on udp://127.0.0.1:${port}`);
base.dispatch();
