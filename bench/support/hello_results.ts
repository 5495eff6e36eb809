import type { LoadResult } from "./load_generator.ts";
import { figure, markdownTable, median, thousands } from "./table.ts";

interface Sample {
  readonly scenario: string;
  readonly server: string;
  readonly result: LoadResult;
  readonly cpuNs: number;
}

/** What the rounds of the HTTP bench found, and the table of it. */
export class HelloResults {
  readonly #samples: Sample[] = [];

  /** Notes one measurement. */
  add(scenario: string, server: string, result: LoadResult, cpuNs: number): void {
    this.#samples.push({ scenario, server, result, cpuNs });
  }

  /** How many measurements a server has. */
  countOf(server: string): number {
    return this.#samples.filter((sample) => sample.server === server).length;
  }

  /** One table per scenario, medians over the rounds; ratios against Bun.serve and Deno.serve say how many times their figure. */
  table(): string {
    return [...new Set(this.#samples.map(({ scenario }) => scenario))].map((scenario) => this.#section(scenario)).join(
      "\n\n",
    );
  }

  #section(scenario: string): string {
    const names = [
      ...new Set(this.#samples.filter((sample) => sample.scenario === scenario).map(({ server }) => server)),
    ];
    const cpuUs = (name: string): number =>
      this.#median(scenario, name, ({ cpuNs, result }) => cpuNs / 1000 / result.requests);
    const speed = (name: string): number => this.#median(scenario, name, ({ result }) => result.perSecond);
    const rows = names.map((name) => [
      name,
      figure(cpuUs(name) / cpuUs("Bun.serve")),
      figure(cpuUs(name) / cpuUs("Deno.serve")),
      figure(cpuUs(name)),
      this.#range(scenario, name),
      figure(speed(name) / speed("Bun.serve")),
      thousands(speed(name)),
      figure(this.#median(scenario, name, ({ result }) => result.p50Ms), 3),
      figure(this.#median(scenario, name, ({ result }) => result.p99Ms), 3),
    ]);
    const head = [
      scenario,
      "CPU / Bun.serve",
      "CPU / Deno.serve",
      "CPU us/request",
      "lowest to highest",
      "speed / Bun.serve",
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

  #range(scenario: string, server: string): string {
    const all = this.#of(scenario, server).map(({ cpuNs, result }) => cpuNs / 1000 / result.requests);
    return `${figure(Math.min(...all))} to ${figure(Math.max(...all))}`;
  }
}
