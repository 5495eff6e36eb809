/** What a runtime that is written in JavaScript keeps in a `Response`. */
export interface ResponseInside {
  /** The fields, in order; names are spelled as they were given. */
  readonly headerList: readonly (readonly [name: string, value: string])[];
  readonly body: { readonly streamOrStatic: { readonly body?: unknown; consumed?: unknown } } | null;
}

type Opaque = Readonly<Record<symbol, unknown>>;

// undefined: nobody has looked yet; null: this runtime shows nothing.
let insideSymbol: symbol | null | undefined;

/**
 * What is inside of a response, where that can be seen: a look costs a tenth of what a stream and an iteration over the fields do. Nobody
 * promises that it stays where it is, so it is looked for first, and never relied on; undefined where it is not.
 *
 * @internal
 */
export function insideOf(response: Response): ResponseInside | undefined {
  if (insideSymbol === undefined) insideSymbol = findSymbol();
  if (insideSymbol === null) return undefined;
  // With this, everything is done that was put off until somebody looks.
  void response.headers;
  return (response as unknown as Opaque)[insideSymbol] as ResponseInside | undefined;
}

/**
 * The text or the bytes that a response has for its body, which counts as read then. null: it has none; undefined: only a stream tells.
 *
 * @internal
 */
export function takeKnownBody({ body }: ResponseInside): string | Uint8Array | null | undefined {
  if (body === null) return null;
  const known = body.streamOrStatic;
  const whole = known.body;
  if (known.consumed !== false || (typeof whole !== "string" && !(whole instanceof Uint8Array))) return undefined;
  known.consumed = true;
  return whole;
}

function findSymbol(): symbol | null {
  const probe = new Response("probe", { status: 201, headers: { "X-Probe": "field" } });
  void probe.headers;
  return Object.getOwnPropertySymbols(probe).find((symbol) => isInside(probe, symbol)) ?? null;
}

function isInside(probe: Response, symbol: symbol): boolean {
  const inside = (probe as unknown as Opaque)[symbol] as Partial<ResponseInside> | null | undefined;
  const known = inside?.body?.streamOrStatic;
  if (known?.body !== "probe" || known.consumed !== false || !Array.isArray(inside!.headerList)) return false;
  if (inside!.headerList.length !== 2 || inside!.headerList[0]?.[1] !== "field") return false;
  // Whether it is the state itself, and no copy of it.
  known.consumed = true;
  return probe.bodyUsed;
}
