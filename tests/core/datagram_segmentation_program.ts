/**
 * What `datagram_segmentation_test.ts` runs in a network whose loopback interface carries packets of 600 bytes. Prints for each burst how large its datagrams
 * were, how many have come as they were sent, and how many errors there were so far.
 */
import { Datagram, EventBase } from "../../src/core/mod.ts";

const COUNT = 20;
const came: string[] = [];
using base = new EventBase();
using receiver = new Datagram(base, { port: 0 }, (datagram) => {
  if (came.push(datagram.text()) === COUNT) base.loopBreak();
});
using sender = new Datagram(base);

for (const length of [1000, 100, 1000, 100]) {
  came.length = 0;
  const sent = Array.from({ length: COUNT }, (_, index) => `${index} `.padEnd(length, "."));
  sender.sendMany(sent.map((text) => [text, receiver.address]));
  base.loopExit(10_000);
  base.dispatch();
  console.log(length, came.filter((text, index) => text === sent[index]).length, sender.counts.errors);
}
