import { getenv, isSetuid, openKqueue, os } from "../ffi/mod.ts";
import type { Backend, BackendName } from "./backend.ts";
import { EpollBackend } from "./epoll.ts";
import { EpollChangelistBackend } from "./epoll_changelist.ts";
import type { EpollOptions } from "./epoll_set.ts";
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
  /**
   * Where epoll is chosen, take "epoll (with changelist)", which tells the kernel of changes all at once with the next wait
   * (EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST, or the environment's EVENT_EPOLL_USE_CHANGELIST). Adding an event then does not
   * fail: a descriptor that cannot be watched is reported ready, so that its owner's next call meets the error, and a regular
   * file is always ready. Without effect on other backends, and when `avoid` names that variant.
   */
  readonly epollChangelist?: boolean | undefined;
  /**
   * Where epoll is chosen and the kernel has no `epoll_pwait2`, sleep by a timerfd instead of rounding up to whole milliseconds
   * (EVENT_BASE_FLAG_PRECISE_TIMER, or the environment's EVENT_PRECISE_TIMER).
   */
  readonly preciseTimer?: boolean | undefined;
  /** Never sleep by a timerfd, whatever asks for precision (EVENT_BASE_FLAG_EPOLL_DISALLOW_TIMERFD). */
  readonly noTimerfd?: boolean | undefined;
}

/** In order of preference; the variant of epoll is not listed, since only asking for it brings it (as in libevent). A library's kqueue on Linux is there for tests, so it comes last. */
const order: readonly BackendName[] = os.name === "linux"
  ? ["epoll", "poll", "select", "kqueue"]
  : ["kqueue", "poll", "select"];

const CHANGELIST: BackendName = "epoll (with changelist)";

/** The backends this system has, best first (event_get_supported_methods). */
export function backendNames(): BackendName[] {
  return order.filter((name) => name !== "kqueue" || openKqueue() !== undefined);
}

function open(name: BackendName, options: EpollOptions): Backend | undefined {
  switch (name) {
    case "epoll":
      return new EpollBackend(options);
    case "epoll (with changelist)":
      return new EpollChangelistBackend(options);
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
 * `EVENT_NOKQUEUE`, `EVENT_NOPOLL`, `EVENT_NOSELECT`), and has every feature asked for. `EVENT_EPOLL_USE_CHANGELIST` and
 * `EVENT_PRECISE_TIMER` ask for what {@linkcode BackendChoice} says. A process with raised rights ignores all these
 * variables, as libevent does; `EVENT_SHOW_METHOD`, which prints the choice, is always heeded.
 *
 * @param show is told what EVENT_SHOW_METHOD shows.
 * @throws {Error} when none is left; the message lists why each was passed over.
 * @throws {SystemError} when the kernel refuses to create the chosen one.
 */
export function chooseBackend(choice: BackendChoice = {}, show: (message: string) => void = console.error): Backend {
  const { avoid = [], features = 0, ignoreEnvironment = false } = choice;
  const heedEnvironment = !ignoreEnvironment && !isSetuid();
  const isAsked = (option: boolean | undefined, variable: string): boolean =>
    option === true || (heedEnvironment && getenv(variable) !== undefined);
  const withChangelist = isAsked(choice.epollChangelist, "EVENT_EPOLL_USE_CHANGELIST") && !avoid.includes(CHANGELIST);
  const options = { preciseTimer: isAsked(choice.preciseTimer, "EVENT_PRECISE_TIMER"), noTimerfd: choice.noTimerfd };
  const reasons: string[] = [];
  for (const name of order) {
    const variable = `EVENT_NO${name.toUpperCase()}`;
    if (avoid.includes(name)) {
      reasons.push(`${name} is avoided`);
    } else if (heedEnvironment && getenv(variable) !== undefined) {
      reasons.push(`${name} is disabled by ${variable}`);
    } else {
      const backend = open(name === "epoll" && withChangelist ? CHANGELIST : name, options);
      if (backend !== undefined && (backend.features & features) === features) {
        if (getenv("EVENT_SHOW_METHOD") !== undefined) show(`evbase using: ${backend.name}`);
        return backend;
      }
      backend?.close();
      reasons.push(backend === undefined ? `${name} needs EVBASE_KQUEUE_LIBRARY here` : `${name} lacks a feature`);
    }
  }
  throw new Error(`Cannot choose a backend: ${reasons.join(", ")}`);
}
