import { SystemError } from "../ffi/mod.ts";
import type { LoopEvent } from "./event.ts";

/**
 * Starts or stops a persistent event on behalf of something that has its own way to report errors.
 *
 * @param timeoutMs milliseconds, -1 for no limit, which also takes an earlier one back.
 * @returns the kernel's refusal (ENOMEM, ENOSPC, EPERM, ...), after which the event waits for nothing; null when there was none.
 *
 * @internal
 */
export function watch(event: LoopEvent, on: boolean, timeoutMs: number = -1): SystemError | null {
  if (!on) {
    event.delete();
    return null;
  }
  if (timeoutMs < 0) event.removeTimer();
  try {
    event.add(timeoutMs < 0 ? undefined : timeoutMs);
    return null;
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
}
