import { linesOfWords } from "./text_file.ts";

/** Where the system keeps the ports of services. */
export const SERVICES_PATH = "/etc/services";

/** Bytes of the file that are read. */
export const SERVICES_BYTES_MAX: number = 4 * 1024 * 1024;

/** What runs a service. */
export type ServiceProtocol = "tcp" | "udp";

/** The services of which something is known where there is no such file. */
const USUAL = "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp www\nhttps 443/tcp\nhttps 443/udp\n";

/** The ports of services by their names (services(5)). */
export class ServicesTable {
  readonly #ports = new Map<string, number>();

  /** Reads the text of a services file. Lines that make no sense are read over; of several for one name the first holds. */
  static parse(text: string): ServicesTable {
    const table = new ServicesTable();
    for (const [name, where, ...aliases] of linesOfWords(text)) {
      const match = /^(\d{1,5})\/(tcp|udp)$/i.exec(where ?? "");
      const port = Number(match?.[1]);
      if (match === null || port > 65_535) continue;
      for (const alias of [name!, ...aliases]) {
        const key = `${alias}/${match[2]!.toLowerCase()}`;
        if (!table.#ports.has(key)) table.#ports.set(key, port);
      }
    }
    return table;
  }

  /** What is known where there is no such file: `domain`, `http` and `https`. */
  static usual(): ServicesTable {
    return ServicesTable.parse(USUAL);
  }

  /** The port of a service, in the letters it is written in; undefined where it is not known. */
  port(name: string, protocol: ServiceProtocol): number | undefined {
    return this.#ports.get(`${name}/${protocol}`);
  }
}
