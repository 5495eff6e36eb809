/** What the tests of promises share: a loop that runs beside them. */
import { assertEquals, fail } from "@std/assert";
import type { ConnectionError, EventBase } from "../../src/core/mod.ts";

/** A broken test ends after so long; no verdict depends on it. */
const LIMIT_MS = 15_000;

/** Runs the loop for as long as `body` takes. */
export async function alongside<T>(base: EventBase, body: () => Promise<T>): Promise<T> {
  using limit = base.timer(() => fail("Waited too long"));
  limit.add(LIMIT_MS);
  const running = base.run();
  const endedEarly = running.then((): never => fail("The loop has ended before the test"));
  endedEarly.catch(() => {});
  try {
    return await Promise.race([body(), endedEarly]);
  } finally {
    base.loopBreak();
    await running.catch(() => {});
  }
}

/** Waits until `done` holds, turn by turn of the host. */
export async function eventually(done: () => boolean, what: string): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!done()) {
    if (Date.now() > end) fail(`Waited too long: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  return fail("It was not rejected");
}

/** Expects a rejection with a code; returns the error. */
export async function assertRejectsWith(promise: Promise<unknown>, code: string): Promise<ConnectionError> {
  const error = await rejection(promise) as ConnectionError;
  assertEquals(error.code, code, `${error}`);
  return error;
}

/** Bytes as text. */
export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** Whether a promise is still pending after everything that can happen now has happened. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const over = (): void => void (pending = false);
  promise.then(over, over);
  for (let round = 0; round < 5; round++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
  return pending;
}
