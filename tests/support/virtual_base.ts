/** Event bases whose time passes only while they wait, so that what is measured by the clock does not depend on the machine. */
import type { Backend } from "../../src/backends/mod.ts";
import { EventBase } from "../../src/core/mod.ts";
import { VirtualTime } from "../differential/virtual_time.ts";
import type { BackendUnderTest } from "./backends.ts";

/** Makes `backend` never sleep: where nothing is ready, the time passes at once. The order of its reports stays its own. */
function withoutSleep(backend: Backend, time: VirtualTime): Backend {
  const wait = backend.wait.bind(backend);
  backend.wait = (timeoutMs) => {
    const count = wait(0);
    if (count === 0 && timeoutMs < 0) throw new Error("The loop would wait for ever");
    if (count === 0) time.elapsedMs += Math.ceil(timeoutMs);
    return count;
  };
  return backend;
}

/** Runs `body` with a base on `backend` whose clock, like every other one meanwhile, is virtual. */
export function withVirtualTime(backend: BackendUnderTest, body: (base: EventBase, time: VirtualTime) => void): void {
  const time = new VirtualTime();
  time.during(() => {
    using base = new EventBase({ openBackend: () => withoutSleep(backend.open(), time) });
    body(base, time);
  });
}
