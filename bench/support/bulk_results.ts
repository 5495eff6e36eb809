import { figure, markdownTable, median } from "./table.ts";

/** One slice of bulk load. */
export interface BulkSlice {
  /** Bytes that were moved. */
  readonly bytes: number;
  /** In so many nanoseconds. */
  readonly wallNs: number;
  /** For so many nanoseconds of the server's processor time. */
  readonly cpuNs: number;
}

/** What a bulk bench found for one kind of load, and the table of it. */
export class BulkResults {
  readonly #title: string;
  readonly #samples: Map<string, BulkSlice[]> = new Map();

  /** @param title what was measured. */
  constructor(title: string) {
    this.#title = title;
  }

  /** Notes one slice. The slices of one pass must be the n-th of every server. */
  add(server: string, slice: BulkSlice): void {
    const samples = this.#samples.get(server) ?? [];
    samples.push(slice);
    this.#samples.set(server, samples);
  }

  /** How many slices a server has. */
  countOf(server: string): number {
    return this.#samples.get(server)?.length ?? 0;
  }

  /** Medians, and ratios as medians over the ratios within each pass. */
  table(peers: readonly string[]): string {
    const rows = [...this.#samples].map(([name, samples]) => [
      name,
      ...peers.flatMap((peer) => {
        const others = this.#samples.get(peer) ?? [];
        const ratio = (value: (slice: BulkSlice) => number): string =>
          figure(
            median(
              samples.flatMap((slice, pass) => others[pass] === undefined ? [] : [value(slice) / value(others[pass]!)]),
            ),
          );
        return [ratio(cpuPerKib), ratio(speed)];
      }),
      figure(median(samples.map(cpuPerKib)), 0),
      figure(median(samples.map(speed)), 0),
    ]);
    const compared = peers.flatMap((peer) => [`CPU / ${peer}`, `speed / ${peer}`]);
    return markdownTable([this.#title, ...compared, "CPU ns/KiB", "MB/s"], rows);
  }
}

function cpuPerKib({ bytes, cpuNs }: BulkSlice): number {
  return cpuNs / (bytes / 1024);
}

function speed({ bytes, wallNs }: BulkSlice): number {
  return bytes / 1e6 / (wallNs / 1e9);
}
