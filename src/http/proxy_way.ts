/** What the opening of a way through a proxy looks like from outside, whatever the proxy speaks. */
export interface ProxyWay {
  /** What to say first. */
  begin(): Uint8Array | string;
  /**
   * Takes `bytes[start..end)`, as the proxy has sent them; {@linkcode ProxyWay.position} then says how far it got.
   *
   * @returns what to say next; null: nothing, wait for more; true: the way is open, and the bytes from `position` on come from its end.
   * @throws {ProxyError} when there is none.
   */
  receive(bytes: Uint8Array, start: number, end: number): Uint8Array | true | null;
  /** The first byte that was not used. */
  readonly position: number;
}
