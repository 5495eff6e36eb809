/** What the tests of the resolver share. */
import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { DnsAnswer } from "../../mod.ts";
import {
  type DnsCallback,
  DnsError,
  type DnsQueryOptions,
  DnsResolver,
  type DnsResolverOptions,
  type EventBase,
} from "../../mod.ts";
import type { BackendUnderTest } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";

/** A resolver that knows nothing of this machine. */
export function resolverFor(
  base: EventBase,
  servers: readonly string[],
  options: DnsResolverOptions = {},
): DnsResolver {
  return new DnsResolver(base, { nameservers: servers, hosts: false, services: false, search: [], ...options });
}

/** An outcome as text: the addresses, names or texts of the records, or the error's code. */
export function shown(error: DnsError | null, answer: DnsAnswer | null): string {
  if (error !== null) return error.code;
  return answer!.records.map(({ data }) =>
    data.kind === "A" || data.kind === "AAAA" ? data.address : "target" in data ? data.target : data.kind
  ).join(" ");
}

/** Collects outcomes. */
export class Outcomes {
  readonly list: string[] = [];
  readonly errors: DnsError[] = [];
  readonly answers: DnsAnswer[] = [];
  readonly #base: EventBase;
  #wanted = Infinity;

  constructor(base: EventBase) {
    this.#base = base;
  }

  /** A callback that notes down what it is told. */
  readonly note: DnsCallback<DnsAnswer> = (error, answer) => {
    this.list.push(shown(error, answer));
    if (error !== null) this.errors.push(error);
    else this.answers.push(answer!);
    if (this.list.length >= this.#wanted) this.#base.loopBreak();
  };

  /** Runs the loop until there are so many in all; answers them. */
  untilThereAre(count: number): readonly string[] {
    this.#wanted = count;
    if (this.list.length < count) this.#base.dispatch();
    return this.list;
  }
}

/** Looks a name up and runs the loop until that is done. */
export function lookedUp(
  resolver: DnsResolver,
  name: string,
  type: string = "A",
  options: DnsQueryOptions = {},
): string {
  const outcomes = new Outcomes(resolver.base);
  resolver.query(name, type, options, outcomes.note);
  assert(outcomes.list.length === 0, "it was told before the loop ran");
  return outcomes.untilThereAre(1).join(" and ");
}

/** Asks a real server until it has come up, or the test takes too long. */
export async function untilUp(resolver: DnsResolver, name: string = "www.test"): Promise<void> {
  for (;;) {
    try {
      await resolver.resolve4(name, { noCache: true });
      return;
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The code that a lookup fails with, or `found`. */
export async function codeOf(lookup: Promise<unknown>): Promise<string> {
  try {
    await lookup;
    return "found";
  } catch (error) {
    return error instanceof DnsError ? error.code : String(error);
  }
}

/** Registers a test on virtual time for one backend; it must leave no descriptor open. */
export function virtualTest(
  backend: BackendUnderTest,
  title: string,
  body: (base: EventBase, time: { elapsedMs: number }) => void,
): void {
  it(title, () => {
    const before = openDescriptorCount();
    withVirtualTime(backend, body);
    // Fewer are left where the runtime gives up some of its own meanwhile, as Bun does after its start.
    assert(openDescriptorCount() <= before, `${openDescriptorCount()} descriptors are open instead of ${before}`);
  });
}
