import type { LoadResult } from "./load_generator.ts";
import { figure, markdownTable, median, thousands } from "./table.ts";

interface Sample {
  readonly scenario: string;
  readonly server: string;
  readonly result: LoadResult;
  readonly cpuNs: number;
}

function cpuUs({ cpuNs, result }: Sample): number {
  return cpuNs / 1000 / result.requests;
}

/** What the rounds of a bench of servers found, and the tables of it. */
export class ServerResults {
  readonly #peers: readonly string[];
  readonly #samples: Sample[] = [];

  /** @param peers the servers that all are compared with; requests/s only with the first. */
  constructor(peers: readonly string[]) {
    this.#peers = peers;
  }

  /** Notes one measurement. */
  add(scenario: string, server: string, result: LoadResult, cpuNs: number): void {
    this.#samples.push({ scenario, server, result, cpuNs });
  }

  /** How many measurements a server has in a scenario. */
  countOf(scenario: string, server: string): number {
    return this.#of(scenario, server).length;
  }

  /**
   * One table per scenario, medians over the rounds. Ratios say how many times a peer's figure; they are medians too, over the
   * ratios within each round, since the machine may be another one in the next.
   */
  table(): string {
    return [...new Set(this.#samples.map(({ scenario }) => scenario))].map((scenario) => this.#section(scenario)).join(
      "\n\n",
    );
  }

  #section(scenario: string): string {
    const names = [
      ...new Set(this.#samples.filter((sample) => sample.scenario === scenario).map(({ server }) => server)),
    ];
    const speed = ({ result }: Sample): number => result.perSecond;
    const rows = names.map((name) => [
      name,
      ...this.#peers.map((peer) => figure(this.#ratio(scenario, name, peer, cpuUs))),
      figure(this.#median(scenario, name, cpuUs)),
      this.#range(scenario, name),
      figure(this.#ratio(scenario, name, this.#peers[0]!, speed)),
      thousands(this.#median(scenario, name, speed)),
      figure(this.#median(scenario, name, ({ result }) => result.p50Ms), 3),
      figure(this.#median(scenario, name, ({ result }) => result.p99Ms), 3),
    ]);
    const head = [
      scenario,
      ...this.#peers.map((peer) => `CPU / ${peer}`),
      "CPU us/request",
      "lowest to highest",
      `speed / ${this.#peers[0]}`,
      "requests/s",
      "p50 ms",
      "p99 ms",
    ];
    return markdownTable(head, rows);
  }

  #of(scenario: string, server: string): Sample[] {
    return this.#samples.filter((sample) => sample.scenario === scenario && sample.server === server);
  }

  #median(scenario: string, server: string, value: (sample: Sample) => number): number {
    return median(this.#of(scenario, server).map(value));
  }

  #ratio(scenario: string, server: string, peer: string, value: (sample: Sample) => number): number {
    const peers = this.#of(scenario, peer);
    return median(this.#of(scenario, server).map((sample, round) => value(sample) / value(peers[round]!)));
  }

  #range(scenario: string, server: string): string {
    const all = this.#of(scenario, server).map(cpuUs);
    return `${figure(Math.min(...all))} to ${figure(Math.max(...all))}`;
  }
}
