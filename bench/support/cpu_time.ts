/** How much processor time other processes have used. */
import { clockMs, os } from "../../src/ffi/mod.ts";

/** In a Linux clock id: the clock of a whole process, counted by the scheduler in nanoseconds. */
const CPUCLOCK_SCHED = 2;

/**
 * Nanoseconds of processor time that a process has used, in user space and in the kernel, by all its threads, those that have
 * ended included; undefined where the system does not tell.
 *
 * It is what `clock_getcpuclockid` leads to. `/proc/PID/stat` counts in ticks of 10 ms, too coarse for a bench of seconds, and
 * `/proc/PID/task/TID/schedstat` forgets threads that end, which those of a garbage collector do all the time.
 */
export function cpuTimeNs(pid: number): number | undefined {
  return os.name === "linux" ? clockMs(~pid << 3 | CPUCLOCK_SCHED) * 1e6 : undefined;
}
