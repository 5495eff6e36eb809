/** The order in which datagrams for several peers leave in runs. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunPlan } from "../../src/core/run_plan.ts";
import { Segmentation } from "../../src/core/segmentation.ts";
import { allocate, encodeSocketAddress, MessageBatch, SOCKET_ADDRESS_BYTES_MAX } from "../../src/ffi/mod.ts";

const UDP = "ipv4" as const;

describe("a plan of runs", () => {
  const SLOTS = 64;
  const segmentation = new Segmentation(0, false);

  /** The slots in the order in which they leave, for datagrams of one byte to these ports. */
  function orderFor(ports: readonly number[], isFree: boolean): [order: number[], isWorthIt: boolean] {
    const messages = new MessageBatch({ slots: SLOTS, payloadBytes: SLOTS, controlBytes: 0 });
    ports.forEach((port, slot) => {
      messages.setPayload(slot, slot, 1);
      const address = { family: UDP, host: "127.0.0.1", port };
      const name = allocate(SOCKET_ADDRESS_BYTES_MAX);
      messages.setNameLength(slot, encodeSocketAddress(address, name));
      messages.names.set(name, slot * SOCKET_ADDRESS_BYTES_MAX);
    });
    const plan = new RunPlan(messages, Uint32Array.from({ length: SLOTS + 1 }, (_, index) => index));
    const isWorthIt = plan.make(ports.length, isFree, segmentation);
    return [ports.map((_, position) => plan.slotAt(position)), isWorthIt];
  }

  it("brings each peer's datagrams together, in their order", () => {
    assertEquals(orderFor([1, 2, 3, 1, 2, 3, 1], true), [[0, 3, 6, 1, 4, 2, 5], true]);
    assertEquals(orderFor([1, 1, 1], true), [[0, 1, 2], true]);
  });

  it("leaves them where they are when they may not change places", () => {
    assertEquals(orderFor([1, 2, 1, 2], false), [[0, 1, 2, 3], false]);
    assertEquals(orderFor([1, 2, 2, 1], false), [[0, 1, 2, 3], true]);
  });

  it("is not worth it where every peer has one", () => {
    assertEquals(orderFor(Array.from({ length: SLOTS }, (_, index) => index + 1), true)[1], false);
  });

  it("keeps each peer's order with more peers than are compared, and leaves nothing out", () => {
    const ports = Array.from({ length: SLOTS }, (_, index) => index * 7 % 20 + index % 3 + 1);
    const [order] = orderFor(ports, true);
    assertEquals([...order].sort((one, other) => one - other), ports.map((_, slot) => slot));
    for (const port of new Set(ports)) {
      const slots = order.filter((slot) => ports[slot] === port);
      assertEquals(slots, [...slots].sort((one, other) => one - other));
    }
  });
});
