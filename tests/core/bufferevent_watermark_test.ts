import { assert, assertEquals, assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, EV_WRITE, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, fill, writeText } from "../support/descriptors.ts";
import { countWrites, inputText, journal, settle } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let connection: SocketBufferEvent;
  let far: number;
  let told: string[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    let near: number;
    [near, far] = descriptors.socketpair();
    connection = new SocketBufferEvent(base, near, { keepOpen: true });
    told = journal(connection);
    connection.enable(EV_READ);
  });
  afterEach(() => {
    connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  describe("the read low watermark", () => {
    it("holds the callback back until so much is there", () => {
      connection.setWatermark(EV_READ, 5, 0);
      writeText(far, "1234");
      settle(base);
      assertEquals(told, []);
      assertEquals(connection.input.length, 4);
      writeText(far, "5");
      settle(base);
      assertEquals(told, ["read"]);
      assertEquals(inputText(connection), "12345");
    });

    it("does not hold back the end of the stream", () => {
      connection.setWatermark(EV_READ, 5, 0);
      writeText(far, "1234");
      descriptors.close(far);
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      assertEquals(inputText(connection), "1234");
    });
  });

  describe("the read high watermark", () => {
    it("suspends reading, and draining resumes it", () => {
      connection.setWatermark(EV_READ, 0, 4);
      writeText(far, "0123456789");
      settle(base);
      assertEquals(connection.input.length, 4);
      assertEquals(told, ["read"]);
      connection.input.drain(1);
      settle(base);
      assertEquals(connection.input.length, 4);
      assertEquals(inputText(connection), "1234");
      settle(base);
      assertEquals(inputText(connection), "5678");
      settle(base);
      assertEquals(inputText(connection), "9");
      assertEquals(told.length, 4);
    });

    it("is never exceeded, and everything comes when the callback drains", () => {
      let text = "";
      connection.setWatermark(EV_READ, 0, 3);
      connection.setCallbacks({
        read: (connection) => {
          assertLessOrEqual(connection.input.length, 3);
          text += inputText(connection);
        },
      });
      writeText(far, "0123456789");
      settle(base);
      assertEquals(text, "0123456789");
    });

    it("is re-evaluated at once when it is raised, lowered or removed", () => {
      connection.setWatermark(EV_READ, 0, 4);
      writeText(far, "0123456789");
      settle(base);
      connection.setWatermark(EV_READ, 0, 6);
      settle(base);
      assertEquals(connection.input.length, 6);
      connection.setWatermark(EV_READ, 0, 2);
      connection.input.drain(3);
      settle(base);
      assertEquals(connection.input.length, 3);
      connection.setWatermark(EV_READ, 0, 0);
      settle(base);
      assertEquals(connection.input.length, 7);
    });

    it("suspends a connection that read without one", () => {
      writeText(far, "0123");
      settle(base);
      connection.setWatermark(EV_READ, 0, 4);
      writeText(far, "4567");
      settle(base);
      assertEquals(connection.input.length, 4);
    });

    it("delays the end of the stream until there is room again", () => {
      connection.setWatermark(EV_READ, 0, 4);
      writeText(far, "0123");
      descriptors.close(far);
      settle(base);
      assertEquals(told, ["read"]);
      connection.input.drain(4);
      settle(base);
      assertEquals(told, ["read", "EOF|READING"]);
    });

    it("calls back again for what is left, also where the callback has set it", () => {
      const lengths: number[] = [];
      connection.setCallbacks({
        read: ({ input }) => {
          lengths.push(input.length);
          input.drain(2);
          connection.setWatermark(EV_READ, 0, 3);
        },
      });
      writeText(far, "12345678");
      settle(base);
      assertEquals(lengths, [8, 6, 4]);
      assertEquals(connection.input.length, 2);
    });

    it("does not call back again for less than the low one", () => {
      connection.setCallbacks({
        read: ({ input }) => {
          told.push(`read ${input.length}`);
          input.drain(2);
          connection.setWatermark(EV_READ, 7, 3);
        },
      });
      writeText(far, "12345678");
      settle(base);
      assertEquals(told, ["read 8"]);
      assertEquals(connection.input.length, 6);
    });

    it("does not enable reading that was disabled", () => {
      connection.setWatermark(EV_READ, 0, 4);
      writeText(far, "01234567");
      settle(base);
      connection.disable(EV_READ);
      connection.input.drain(4);
      settle(base);
      assertEquals(connection.input.length, 0);
    });

    it("keeps a suspended connection from waking the loop", () => {
      connection.setWatermark(EV_READ, 0, 1);
      writeText(far, "0123");
      settle(base);
      assertEquals(connection.enabled & EV_READ, EV_READ);
      // Nothing is pending any more, so the loop ends by itself.
      assertEquals(base.dispatch(), false);
    });

    it("below the low one delivers nothing, as in libevent", () => {
      connection.setWatermark(EV_READ, 10, 4);
      writeText(far, "0123456789");
      settle(base);
      assertEquals(told, []);
      assertEquals(connection.input.length, 4);
    });
  });

  describe("the write low watermark", () => {
    it("lets the callback come only after progress", () => {
      fill(connection.fd);
      connection.setWatermark(EV_WRITE, 1000, 0);
      connection.write("x");
      settle(base);
      assertEquals(told, []);
      empty(far);
      settle(base);
      assertEquals(told, ["write"]);
    });

    it("lets the callback come while that much is still queued, but not while it is more", () => {
      const atCallback: number[] = [];
      const results = countWrites(connection);
      const size = 1_000_000;
      connection.setCallbacks({ write: ({ output }) => atCallback.push(output.length) });
      connection.setWatermark(EV_WRITE, 400_000, 0);
      connection.write(new Uint8Array(size));
      let received = 0;
      while (received < size) {
        settle(base);
        received += empty(far);
      }
      assertEquals(atCallback.at(-1), 0);
      assertGreater(atCallback.length, 1);
      for (const rest of atCallback) assertLessOrEqual(rest, 400_000);
      assert(results.some((result) => result > 0 && result < size));
    });

    it("of 0 lets the callback come when everything has been sent, once", () => {
      connection.write("one");
      connection.write("two");
      settle(base);
      assertEquals(told, ["write"]);
    });
  });

  it("setWatermark() sets the directions that are named, and refuses negative numbers", () => {
    connection.setWatermark(EV_WRITE, 3, 4);
    writeText(far, "0123456789");
    settle(base);
    assertEquals(connection.input.length, 10);
    assertThrows(() => connection.setWatermark(EV_READ, -1, 0), RangeError, "-1");
    assertThrows(() => connection.setWatermark(EV_READ, 0, NaN), RangeError, "NaN");
  });
});
