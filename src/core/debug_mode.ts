import { fcntl, os } from "../ffi/mod.ts";
import { EV_CLOSED, EV_ET, EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE } from "./constants.ts";
import type { LoopEvent } from "./event.ts";

const { F_GETFL, O_NONBLOCK } = os.constants;
const IO = EV_READ | EV_WRITE | EV_CLOSED;

let enabled = false;
const creationSites = new WeakMap<LoopEvent, string>();

/**
 * From now on, events remember where they were created, and misuse that otherwise shows much later throws at once with a
 * message that names the event and that place (event_enable_debug_mode). It costs a stack trace per event: for tests and
 * for hunting, not for production. Events made before are not covered.
 *
 * What it finds besides the checks that are always made: descriptors that are closed or block, and edge-triggered mixed
 * with level-triggered events on one descriptor.
 */
export function enableDebugMode(): void {
  enabled = true;
}

/** Ends what {@linkcode enableDebugMode} began, for events made from now on. */
export function disableDebugMode(): void {
  enabled = false;
}

/** @internal Notes where `event` is being created. */
export function noteCreation(event: LoopEvent): void {
  if (!enabled) return;
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  // The first lines are this function and the constructors of our own folder.
  const site = lines.find((line) => !/\/core\/(debug_mode|event|event_base|loop_port|signal_map)\.[jt]s/.test(line));
  creationSites.set(event, site?.trim().replace(/^at /, "") ?? "an unknown place");
}

/** @internal Throws if adding `event` to what `others` holds is misuse. */
export function checkAdd(event: LoopEvent, others: LoopEvent | null): void {
  if (!creationSites.has(event) || (event.events & IO) === 0 || event.fd < 0) return;
  const flags = fcntl(event.fd, F_GETFL, 0);
  if (flags < 0) throw new Error(`Cannot add ${describe(event)}: the descriptor is not open`);
  if ((flags & O_NONBLOCK) === 0) throw new Error(`Cannot add ${describe(event)}: the descriptor blocks`);
  for (let other = others; other !== null; other = other.fdNext) {
    if (((other.events ^ event.events) & EV_ET) !== 0) {
      throw new Error(`Cannot add ${describe(event)}: it mixes edge and level triggering with ${describe(other)}`);
    }
  }
}

/** An event in words, with the place of its creation in debug mode. */
export function describe(event: LoopEvent): string {
  const names: readonly (readonly [number, string])[] = [
    [EV_TIMEOUT, "timeout"],
    [EV_READ, "read"],
    [EV_WRITE, "write"],
    [EV_CLOSED, "closed"],
    [EV_SIGNAL, "signal"],
    [EV_PERSIST, "persist"],
    [EV_ET, "edge"],
  ];
  const flags = names.filter(([bit]) => (event.events & bit) !== 0).map(([, name]) => name).join(", ");
  const subject = (event.events & EV_SIGNAL) !== 0
    ? `the event on signal ${event.fd}`
    : event.fd >= 0
    ? `the event on descriptor ${event.fd}`
    : "the event without a descriptor";
  const site = creationSites.get(event);
  return `${subject}${flags === "" ? "" : ` (${flags})`}${site === undefined ? "" : `, created at ${site}`}`;
}
