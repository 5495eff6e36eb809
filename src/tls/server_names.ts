/**
 * Which context serves which host (SNI).
 *
 * @module
 */

/** Values by host name: exact names, and names whose first label is `*`. */
export class ServerNames<T> {
  readonly #exact: Map<string, T> = new Map();
  readonly #wild: Map<string, T> = new Map();

  /**
   * Takes names such as `example.org` and `*.example.org`. A star stands for exactly one label.
   *
   * @throws {TypeError} for a name that can never be asked for.
   */
  constructor(entries: Readonly<Record<string, T>>) {
    for (const [name, value] of Object.entries(entries)) {
      const lower = name.toLowerCase().replace(/\.$/, "");
      const host = lower.startsWith("*.") ? lower.slice(2) : lower;
      if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)) {
        throw new TypeError(`Cannot serve ${JSON.stringify(name)}: neither a host name nor "*." and a host name`);
      }
      (host === lower ? this.#exact : this.#wild).set(host, value);
    }
  }

  /** What is to serve `name`; undefined when nothing is said about it. */
  find(name: string): T | undefined {
    const host = name.toLowerCase().replace(/\.$/, "");
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    const dot = host.indexOf(".");
    return dot <= 0 ? undefined : this.#wild.get(host.slice(dot + 1));
  }
}
