/** What a connection queues in a callback of its own, in the output or past it: to everybody else that must be the same. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Chain, EV_READ, EV_WRITE, EVLOOP_NONBLOCK, EVLOOP_ONCE, SocketBufferEvent } from "../../src/core/mod.ts";
import type { EventBase } from "../../src/core/mod.ts";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { OutputStages, STAGE_BYTES } from "../../src/core/output_stages.ts";
import { RateLimit } from "../../src/core/rate_limit.ts";
import { os, setSocketOption } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, empty, fill, readText, waitingBytes, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { drainDescriptor, journal, resetAndClose, settle, tcpPair, until } from "./bufferevent_support.ts";

const { SO_SNDBUF, SOL_SOCKET } = os.constants;

describe("OutputStages", () => {
  it("lend what was given back, and borrow no more than that takes", () => {
    const lent = sharedChunkPool.bytesLent;
    const stages = new OutputStages();
    const first = stages.take();
    [first.start, first.end] = [3, 17];
    stages.give(first);
    const again = stages.take();
    assertStrictEquals(again, first);
    assertEquals([again.start, again.end, again.next, again.limit], [0, 0, null, STAGE_BYTES]);
    assert(stages.take() !== again);
    assertEquals(sharedChunkPool.bytesLent - lent, 2 * STAGE_BYTES);
    stages.give(again);
    stages.clear();
    stages.clear();
    assertEquals(sharedChunkPool.bytesLent - lent, STAGE_BYTES);
  });
});

/** A way to queue text. */
type Queue = (connection: SocketBufferEvent, text: string) => void;

function reserved(connection: SocketBufferEvent, text: string): void {
  const chain: Chain = connection.reserveOutput(text.length);
  chain.bytes.set(new TextEncoder().encode(text), chain.end);
  connection.commitOutput(text.length);
}

const ways: readonly (readonly [string, Queue])[] = [
  ["by write", (connection, text) => connection.write(text)],
  ["in reserved room", reserved],
];

/** Text whose every place is another one. */
function long(length: number): string {
  let text = "";
  while (text.length < length) text += `${text.length},`;
  return text.slice(0, length);
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  for (const [way, queue] of ways) {
    for (const sendsTogether of [false, true]) {
      describe(`what a callback queues ${way}${sendsTogether ? ", to be sent together with others" : ""}`, () => {
        /** A connection that calls `answer` whenever something has come, and its peer. */
        function answering(
          answer: (connection: SocketBufferEvent) => void,
          [near, far] = descriptors.socketpair(),
        ): { connection: SocketBufferEvent; far: number; told: string[] } {
          const connection = new SocketBufferEvent(base, near, { keepOpen: true });
          const told = journal(connection);
          connection.setSink({ sendsTogether, receive: () => answer(connection) });
          connection.enable(EV_READ);
          return { connection, far, told };
        }

        function ask(far: number): void {
          writeText(far, "?");
          base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
        }

        it("leaves when it ends, all of it in one piece, and is told once", () => {
          const seen: unknown[] = [];
          const { connection, far, told } = answering((connection) => {
            queue(connection, "one, ");
            queue(connection, "two");
            seen.push(connection.queuedBytes, waitingBytes(far));
          });
          ask(far);
          assertEquals([seen, readText(far), connection.queuedBytes, told], [[8, 0], "one, two", 0, ["write"]]);
          ask(far);
          assertEquals([readText(far), told], ["one, two", ["write", "write"]]);
          connection.close();
        });

        it("is found in the output by who looks, in front of what comes behind it", () => {
          const seen: unknown[] = [];
          const { connection, far } = answering((connection) => {
            queue(connection, "one, ");
            seen.push(connection.output.length);
            queue(connection, "two, ");
            connection.write("three, ");
            queue(connection, "four");
            seen.push(connection.output.length);
          });
          ask(far);
          assertEquals([seen, readText(far)], [[5, 21], "one, two, three, four"]);
          connection.close();
        });

        it("stays before what is added to the output by who has kept it", () => {
          const { connection, far } = answering((connection) => {
            queue(connection, "one, ");
            kept.add("two, ");
            queue(connection, "three");
            assertEquals([connection.queuedBytes, kept.length], [15, 15]);
          });
          const kept = connection.output;
          ask(far);
          assertEquals(readText(far), "one, two, three");
          connection.close();
        });

        it("is heard of by callbacks on the output, and refused where its back is frozen", () => {
          const heard: string[] = [];
          const { connection, far } = answering((connection) => {
            queue(connection, "seen");
            connection.output.freezeBack();
            assertThrows(() => queue(connection, "refused"), TypeError, "frozen");
            connection.output.unfreezeBack();
          });
          connection.output.addCallback((_, { added, deleted }) => void heard.push(`+${added} -${deleted}`));
          ask(far);
          assertEquals([heard, readText(far)], [["+4 -0", "+0 -4"], "seen"]);
          connection.close();
        });

        it("is heard of by callbacks that are added behind it", () => {
          const heard: string[] = [];
          const { connection, far } = answering((connection) => {
            queue(connection, "one, ");
            kept.addCallback((_, { originalLength, added, deleted }) => {
              heard.push(`${originalLength} +${added} -${deleted}`);
            });
            kept.add("two");
          });
          const kept = connection.output;
          ask(far);
          assertEquals(readText(far), "one, two");
          assertEquals(heard.at(-1), "8 +0 -8");
          connection.close();
        });

        it("may be more than has room in one place", () => {
          const parts = [long(3000), long(STAGE_BYTES), long(1), long(2 * STAGE_BYTES + 1)];
          const { connection, far } = answering((connection) => {
            for (const part of parts) queue(connection, part);
          });
          ask(far);
          assertEquals(drainDescriptor(far).map((bytes) => new TextDecoder().decode(bytes)).join(""), parts.join(""));
          connection.close();
        });

        it("leaves in part as far as the kernel takes it, and the rest later", () => {
          const [near, far] = descriptors.socketpair();
          assertEquals(setSocketOption(near, SOL_SOCKET, SO_SNDBUF, 1), 0);
          let filled = 0;
          const { connection, told } = answering((connection) => {
            fill(near);
            // Makes room for some of it.
            readText(far, waitingBytes(far) >> 1);
            filled = waitingBytes(far);
            queue(connection, long(4000));
          }, [near, far]);
          ask(far);
          const taken = waitingBytes(far) - filled;
          assert(taken > 0 && taken < 4000, `${taken} bytes were taken`);
          assertEquals([connection.queuedBytes, told], [4000 - taken, []]);
          let text = "";
          const receive = (): void => {
            for (const bytes of drainDescriptor(far)) text += new TextDecoder().decode(bytes);
          };
          until(base, () => (receive(), connection.queuedBytes === 0), "all has left");
          receive();
          assertEquals([text.slice(filled), told], [long(4000), ["write"]]);
          connection.close();
        });

        it("leaves later where the kernel takes nothing", () => {
          const [near, far] = descriptors.socketpair();
          const { connection, told } = answering((connection) => {
            fill(near);
            queue(connection, "later");
          }, [near, far]);
          ask(far);
          assertEquals([connection.queuedBytes, told], [5, []]);
          empty(far);
          base.loop(EVLOOP_ONCE);
          assertEquals([readText(far), told], ["later", ["write"]]);
          connection.close();
        });

        it("fails with the connection, which is told once", () => {
          const { connection, far, told } = answering((connection) => {
            resetAndClose(descriptors, far);
            queue(connection, "to nobody");
          }, tcpPair(descriptors));
          ask(far);
          settle(base);
          assertEquals(told.filter((entry) => entry.includes("ERROR")).length, 1);
          assertEquals([connection.queuedBytes, connection.output.length], [0, 0]);
          connection.close();
        });

        it("leaves before the end of a connection that closes after it, and not of one that closes at once", () => {
          const lent = sharedChunkPool.bytesLent;
          for (const [close, expected] of [["closeAfterFlush", "last"], ["close", -os.errno["EAGAIN"]!]] as const) {
            const { connection, far } = answering((connection) => {
              queue(connection, "last");
              connection[close]();
            });
            ask(far);
            assertEquals([readText(far), connection.closed, connection.queuedBytes], [expected, true, 0]);
          }
          assertEquals(sharedChunkPool.bytesLent, lent);
        });

        it("waits in the output while writing is disabled, or goes bit by bit as limits say", () => {
          const lent = sharedChunkPool.bytesLent;
          const first = answering((connection) => {
            queue(connection, "waits");
            connection.disable(EV_WRITE);
          });
          const kept = first.connection.output;
          ask(first.far);
          assertEquals([waitingBytes(first.far), first.connection.queuedBytes, kept.length], [0, 5, 5]);
          first.connection.enable(EV_WRITE);
          settle(base);
          assertEquals(readText(first.far), "waits");

          const second = answering((connection) => {
            queue(connection, "abc");
            connection.maxSingleWrite = 1;
          });
          ask(second.far);
          assertEquals(readText(second.far), "a");
          settle(base);
          assertEquals(readText(second.far), "bc");

          const third = answering((connection) => {
            queue(connection, "abc");
            connection.setRateLimit(new RateLimit({ writeRate: 2, writeBurst: 2, tickMs: 100_000 }));
          });
          ask(third.far);
          assertEquals([readText(third.far), third.connection.output.length], ["ab", 1]);
          for (const { connection } of [first, second, third]) connection.close();
          assertEquals(sharedChunkPool.bytesLent, lent);
        });

        it("leaves at once by a flush", () => {
          const seen: unknown[] = [];
          const { connection, far } = answering((connection) => {
            queue(connection, "now");
            seen.push(connection.flush(), readText(far), connection.queuedBytes);
            queue(connection, "then");
          });
          ask(far);
          assertEquals([seen, readText(far)], [[true, "now", 0], "then"]);
          connection.close();
        });

        it("leaves also when the callback throws", () => {
          const { connection, far } = answering((connection) => {
            queue(connection, "before");
            throw new Error("from the callback");
          });
          assertThrows(() => ask(far), Error, "from the callback");
          assertEquals(readText(far), "before");
          connection.close();
        });

        it("stays with the connection when its socket is taken away or replaced", () => {
          const [otherNear, otherFar] = descriptors.socketpair();
          const { connection, far } = answering((connection) => {
            queue(connection, "for the next one");
            connection.takeFd();
            assertEquals(connection.output.length, 16);
          });
          ask(far);
          assertEquals([waitingBytes(far), connection.queuedBytes], [0, 16]);
          connection.replaceFd(otherNear);
          settle(base);
          assertEquals([waitingBytes(far), readText(otherFar)], [0, "for the next one"]);
          connection.close();
        });

        it("is dropped by a connection that is closed already", () => {
          const lent = sharedChunkPool.bytesLent;
          const { connection, far } = answering((connection) => {
            connection.close();
            queue(connection, "too late");
            assertEquals(connection.queuedBytes, 0);
          });
          ask(far);
          assertEquals([waitingBytes(far), connection.queuedBytes, sharedChunkPool.bytesLent], [0, 0, lent]);
        });

        it("leaves no memory lent where it was called outside of the loop", () => {
          const lent = sharedChunkPool.bytesLent;
          const { connection, far } = answering((connection) => queue(connection, "ahead"));
          writeText(far, "?");
          connection.readAhead();
          connection.flush();
          assertEquals([readText(far), sharedChunkPool.bytesLent], ["ahead", lent]);
          connection.close();
        });

        it("may be nothing at all", () => {
          const lent = sharedChunkPool.bytesLent;
          const { connection, far, told } = answering((connection) => queue(connection, ""));
          ask(far);
          assertEquals([waitingBytes(far), connection.queuedBytes, told], [0, 0, []]);
          connection.close();
          assertEquals(sharedChunkPool.bytesLent, lent);
        });
      });
    }
  }
});
