/** The servers of a bench, all running at the same time. */
import { ServerProcess } from "./server_process.ts";
import { onServerCore } from "./settings.ts";

/** How a server is started: its name in the table, and a command, undefined where that is not to be had. */
export type ServerCommand = readonly [name: string, command: readonly string[] | undefined];

/** Servers in processes of their own, by name. */
export class ServerFleet {
  /** Those that can be started, in the order given. */
  readonly names: readonly string[];
  readonly #commands: readonly ServerCommand[];
  readonly #running = new Map<string, ServerProcess>();

  /** Starts nothing yet. */
  constructor(commands: Iterable<ServerCommand>) {
    this.#commands = [...commands];
    this.names = this.#commands.filter(([, command]) => command !== undefined).map(([name]) => name);
  }

  /**
   * Starts all that can be started, on the processor that is meant for servers.
   *
   * @throws {Error} when one of them does not say where it listens; {@linkcode ServerFleet.stop} stops the others.
   */
  async start(): Promise<void> {
    const starts = this.#commands.map(async ([name, command]) => {
      if (command !== undefined) this.#running.set(name, await ServerProcess.start([...onServerCore, ...command]));
    });
    // All of them, so that those that did start are known to the one who stops them.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  }

  /** One that is running. */
  get(name: string): ServerProcess | undefined {
    return this.#running.get(name);
  }

  /** Those of `names`, which are running. */
  some(names: readonly string[]): ServerProcess[] {
    return names.map((name) => this.#running.get(name)!);
  }

  /** Stops all that are running. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => server.stop()));
  }
}
