import { getenv, isSetuid, openKqueue, os } from "../ffi/mod.ts";
import type { Backend, BackendName } from "./backend.ts";
import { EpollBackend } from "./epoll.ts";
import { KqueueBackend } from "./kqueue.ts";
import { PollBackend } from "./poll.ts";
import { SelectBackend } from "./select.ts";

/** What a caller may ask of the choice (libevent's event_config). */
export interface BackendChoice {
  /** Names never to take (event_config_avoid_method). */
  readonly avoid?: readonly BackendName[] | undefined;
  /** FEATURE_ bits the backend must have (event_config_require_features). */
  readonly features?: number | undefined;
  /** Do not let EVENT_NOEPOLL and its siblings disable a backend (EVENT_BASE_FLAG_IGNORE_ENV). */
  readonly ignoreEnvironment?: boolean | undefined;
}

/** In order of preference. A library's kqueue on Linux is there for tests, so it comes last. */
const order: readonly BackendName[] = os.name === "linux"
  ? ["epoll", "poll", "select", "kqueue"]
  : ["kqueue", "poll", "select"];

/** The backends this system has, best first (event_get_supported_methods). */
export function backendNames(): BackendName[] {
  return order.filter((name) => name !== "kqueue" || openKqueue() !== undefined);
}

function open(name: BackendName): Backend | undefined {
  switch (name) {
    case "epoll":
      return new EpollBackend();
    case "poll":
      return new PollBackend();
    case "select":
      return new SelectBackend();
    case "kqueue": {
      const provider = openKqueue();
      return provider === undefined ? undefined : new KqueueBackend(provider);
    }
  }
}

/**
 * Opens the first backend that is not avoided, not disabled by an environment variable (`EVENT_NOEPOLL`,
 * `EVENT_NOKQUEUE`, `EVENT_NOPOLL`, `EVENT_NOSELECT`), and has every feature asked for. A process with raised rights
 * ignores those variables, as libevent does.
 *
 * @throws {Error} when none is left; the message lists why each was passed over.
 * @throws {SystemError} when the kernel refuses to create the chosen one.
 */
export function chooseBackend(choice: BackendChoice = {}): Backend {
  const { avoid = [], features = 0, ignoreEnvironment = false } = choice;
  const heedEnvironment = !ignoreEnvironment && !isSetuid();
  const reasons: string[] = [];
  for (const name of order) {
    const variable = `EVENT_NO${name.toUpperCase()}`;
    if (avoid.includes(name)) {
      reasons.push(`${name} is avoided`);
    } else if (heedEnvironment && getenv(variable) !== undefined) {
      reasons.push(`${name} is disabled by ${variable}`);
    } else {
      const backend = open(name);
      if (backend !== undefined && (backend.features & features) === features) {
        if (getenv("EVENT_SHOW_METHOD") !== undefined) console.error(`evbase using: ${name}`);
        return backend;
      }
      backend?.close();
      reasons.push(backend === undefined ? `${name} needs EVBASE_KQUEUE_LIBRARY here` : `${name} lacks a feature`);
    }
  }
  throw new Error(`Cannot choose a backend: ${reasons.join(", ")}`);
}
