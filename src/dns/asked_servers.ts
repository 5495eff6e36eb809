import type { NameServer } from "./name_server.ts";

/** How it is with one of several. */
interface Asked {
  count: number;
  isDone: boolean;
}

/**
 * The name servers that a question was put to: how often, and which have given their last word.
 *
 * @internal
 */
export class AskedServers {
  // Most questions are answered by the first, so that one has no entry in a table.
  #first: NameServer | null = null;
  #firstCount = 0;
  #isFirstDone = false;
  #others: Map<NameServer, Asked> | null = null;

  /** Whether there are any. */
  get isEmpty(): boolean {
    return this.#first === null;
  }

  /** How often one was asked. */
  count(server: NameServer): number {
    return server === this.#first ? this.#firstCount : this.#others?.get(server)?.count ?? 0;
  }

  /** Whether one has given its last word. */
  isDone(server: NameServer): boolean {
    return server === this.#first ? this.#isFirstDone : this.#others?.get(server)?.isDone === true;
  }

  /** One is asked. */
  add(server: NameServer): void {
    if (this.#first === null) this.#first = server;
    if (server === this.#first) this.#firstCount++;
    else this.#other(server).count++;
  }

  /** One has given its last word. */
  finish(server: NameServer): void {
    if (server === this.#first) this.#isFirstDone = true;
    else this.#other(server).isDone = true;
  }

  #other(server: NameServer): Asked {
    const others = this.#others ??= new Map();
    let asked = others.get(server);
    if (asked === undefined) others.set(server, asked = { count: 0, isDone: false });
    return asked;
  }

  /** Forgets them. */
  clear(): void {
    this.#first = this.#others = null;
    this.#firstCount = 0;
    this.#isFirstDone = false;
  }
}
