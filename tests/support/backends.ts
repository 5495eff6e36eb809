/** One body of tests over every way of waiting that this machine has. */
import { describe } from "@std/testing/bdd";
import { type Backend, type BackendName, backendNames, chooseBackend, KqueueBackend } from "../../src/backends/mod.ts";
import { EventBase, type EventConfig } from "../../src/core/event_base.ts";
import { os } from "../../src/ffi/mod.ts";
import { KqueueDouble } from "./kqueue_double.ts";

/** A way of waiting, and how to get it. */
export interface BackendUnderTest {
  /** The backend's own name. */
  readonly name: BackendName;
  /** Whether it is real, or the kqueue double. */
  readonly isDouble: boolean;
  /** Opens the bare backend. */
  open(): Backend;
  /** An event base on it. */
  newBase(config?: EventConfig): EventBase;
}

/** The kqueue backend over a double of its own, which it takes along when it is closed. */
export class DoubledKqueueBackend extends KqueueBackend {
  /** The kernel it talks to. */
  readonly double: KqueueDouble;

  constructor(double: KqueueDouble = new KqueueDouble()) {
    super(double);
    this.double = double;
  }

  override close(): void {
    super.close();
    this.double.close();
  }
}

function open(name: BackendName): Backend {
  return chooseBackend({ avoid: backendNames().filter((other) => other !== name), ignoreEnvironment: true });
}

function underTest(name: BackendName, isDouble: boolean, openOne: () => Backend): BackendUnderTest {
  return {
    name,
    isDouble,
    open: openOne,
    newBase: (config = {}) => new EventBase({ ...config, openBackend: openOne }),
  };
}

/** Every backend of this machine; on Linux the variant of epoll too, and the kqueue double, since it waits by epoll. */
export const backendsUnderTest: readonly BackendUnderTest[] = [
  ...backendNames().map((name) => underTest(name, false, () => open(name))),
  ...(os.name === "linux"
    ? [
      underTest("epoll (with changelist)", false, () =>
        chooseBackend({ epollChangelist: true, ignoreEnvironment: true })),
      underTest("kqueue", true, () =>
        new DoubledKqueueBackend()),
    ]
    : []),
];

/** Registers the tests of `body` once for each backend, in a group that names it. */
export function forEachBackend(body: (backend: BackendUnderTest) => void): void {
  for (const backend of backendsUnderTest) {
    describe(`with ${backend.name}${backend.isDouble ? " (a double of it)" : ""}`, () => body(backend));
  }
}
