/** What `datagram_multicast_test.ts` runs in a network with the interfaces v0 and v1. Prints which groups arrive by which. */
import { Datagram, EventBase, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/mod.ts";
import { interfaceIndex, interfaceName } from "../../src/ffi/mod.ts";

using base = new EventBase();
const came: string[] = [];
using member = new Datagram(base, { host: "::", port: 0, reuseAddress: true, packetInfo: true }, (datagram) => {
  came.push(`${datagram.localAddress} ${interfaceName(datagram.interfaceIndex)} ${datagram.text()}`);
});
using sender = new Datagram(base, { family: "ipv6", multicastInterface: "v0" });

/** Sends to both groups, and waits for `count` datagrams, or for as many as there are. */
function exchange(text: string, count: number): void {
  came.length = 0;
  for (const host of ["ff01::1234", "ff02::1234"]) {
    sender.send(text, { family: "ipv6", host, port: member.port, scope: interfaceIndex("v0") });
  }
  base.timer(() => base.loopBreak()).add(10_000);
  while (came.length < count) base.loop(EVLOOP_ONCE);
  base.loop(EVLOOP_NONBLOCK);
  for (const line of came) console.log(line.trim());
}

member.join("ff01::1234", { interface: "v0" });
member.join("ff02::1234%v0");
exchange("v0", 2);
member.leave("ff01::1234", { interface: "v0" });
member.leave("ff02::1234", { interface: "v0" });
member.join("ff01::1234%v0");
member.join("ff02::1234%v0");
exchange("", 2);
