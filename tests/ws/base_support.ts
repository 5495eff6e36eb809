import { EventBase } from "../../src/core/mod.ts";

/** Runs a base beside `body`, and closes it. */
export async function withBase(
  body: (base: EventBase) => Promise<void>,
  base: EventBase = new EventBase(),
): Promise<void> {
  // There must be something to wait for while `body` prepares.
  const alive = base.timer(() => {});
  alive.add(600_000);
  const running = base.run();
  try {
    await Promise.race([body(base), running.then(() => new Promise<never>(() => {}))]);
  } finally {
    alive.close();
    base.loopBreak();
    await running.catch(() => {});
    base.close();
  }
}
