import type { Extension } from "./extension_list.ts";

/** What both sides have agreed upon (RFC 7692 section 7.1). */
export interface DeflateParameters {
  /** The server begins every message anew. */
  readonly serverNoContextTakeover: boolean;
  /** The client begins every message anew. */
  readonly clientNoContextTakeover: boolean;
  /** The server refers back 2 to the power of this many bytes at most: 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** The client does. */
  readonly clientMaxWindowBits: number;
}

/** How permessage-deflate is offered or accepted, and how this side compresses. */
export interface DeflateOptions extends Partial<DeflateParameters> {
  /** Effort from 0 to 9; the library's own choice by default. */
  readonly level?: number | undefined;
  /** Messages of fewer bytes are sent as they are, since compressing costs more than it saves; 256 by default. */
  readonly minBytes?: number | undefined;
}

/** The extension's name. */
export const PERMESSAGE_DEFLATE = "permessage-deflate";
/** Messages shorter than this are not compressed by default. */
export const DEFLATE_MIN_BYTES = 256;
const WINDOW_BITS_MAX = 15;
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/** The parameters of one offer or reply, checked one by one; undefined where they were left out. */
interface Stated {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | undefined;
  /** True where it has no value: the client merely says that it knows the parameter. */
  clientMaxWindowBits: number | true | undefined;
}

/**
 * Checks what the caller wants.
 *
 * @throws {RangeError} when a number is out of its range.
 */
export function checkDeflateOptions(options: DeflateOptions): void {
  for (const name of ["serverMaxWindowBits", "clientMaxWindowBits"] as const) checkNumber(name, options[name], 8, 15);
  checkNumber("level", options.level, 0, 9);
  checkNumber("minBytes", options.minBytes, 0, 2 ** 31 - 1);
}

function checkNumber(name: string, value: number | undefined, low: number, high: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return;
  throw new RangeError(`Cannot compress with ${name} ${value}: expected a whole number from ${low} to ${high}`);
}

/** Null for what RFC 7692 section 7.1 says to decline: unknown names, wrong values, names that stand there twice. */
function stated({ parameters }: Extension, isReply: boolean): Stated | null {
  const result: Stated = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
  };
  if (new Set(parameters.map(([name]) => name)).size < parameters.length) return null;
  for (const [name, value] of parameters) {
    if (name === "server_no_context_takeover" && value === null) result.serverNoContextTakeover = true;
    else if (name === "client_no_context_takeover" && value === null) result.clientNoContextTakeover = true;
    else if (name === "client_max_window_bits" && value === null && !isReply) result.clientMaxWindowBits = true;
    else if (value === null || !WINDOW_BITS.test(value)) return null;
    else if (name === "server_max_window_bits") result.serverMaxWindowBits = Number(value);
    else if (name === "client_max_window_bits") result.clientMaxWindowBits = Number(value);
    else return null;
  }
  return result;
}

/** What a server has chosen, and what it answers. */
export interface AcceptedDeflate {
  readonly agreed: DeflateParameters;
  /** The value of Sec-WebSocket-Extensions. */
  readonly reply: string;
}

/** A server's choice: the first offer that can be accepted; null when there is none. */
export function acceptDeflate(offers: readonly Extension[], options: DeflateOptions): AcceptedDeflate | null {
  for (const offer of offers) {
    if (offer.name !== PERMESSAGE_DEFLATE) continue;
    const asked = stated(offer, false);
    if (asked === null) continue;
    const serverBits = Math.min(asked.serverMaxWindowBits ?? 15, options.serverMaxWindowBits ?? WINDOW_BITS_MAX);
    const clientBits = asked.clientMaxWindowBits;
    const agreed = {
      serverNoContextTakeover: asked.serverNoContextTakeover || options.serverNoContextTakeover === true,
      clientNoContextTakeover: asked.clientNoContextTakeover || options.clientNoContextTakeover === true,
      serverMaxWindowBits: serverBits,
      // A client that does not name the parameter need not know it.
      clientMaxWindowBits: clientBits === undefined
        ? WINDOW_BITS_MAX
        : Math.min(clientBits === true ? 15 : clientBits, options.clientMaxWindowBits ?? WINDOW_BITS_MAX),
    };
    // A window that was asked for is accepted by naming it (section 7.1.2.1).
    return { agreed, reply: deflateReply(agreed, asked.serverMaxWindowBits !== undefined) };
  }
  return null;
}

/**
 * What was agreed upon, as Sec-WebSocket-Extensions has it. A window of 15 bits is what holds without saying.
 *
 * @param namesServerWindow whether the server's is named in any case.
 */
export function deflateReply(agreed: DeflateParameters, namesServerWindow: boolean = false): string {
  const { serverMaxWindowBits, clientMaxWindowBits } = agreed;
  return PERMESSAGE_DEFLATE +
    (agreed.serverNoContextTakeover ? "; server_no_context_takeover" : "") +
    (agreed.clientNoContextTakeover ? "; client_no_context_takeover" : "") +
    (namesServerWindow || serverMaxWindowBits < WINDOW_BITS_MAX
      ? `; server_max_window_bits=${serverMaxWindowBits}`
      : "") +
    (clientMaxWindowBits < WINDOW_BITS_MAX ? `; client_max_window_bits=${clientMaxWindowBits}` : "");
}

/** The value of Sec-WebSocket-Extensions in a client's request. */
export function deflateOffer(options: DeflateOptions): string {
  const { serverMaxWindowBits = WINDOW_BITS_MAX, clientMaxWindowBits = WINDOW_BITS_MAX } = options;
  return PERMESSAGE_DEFLATE +
    (options.serverNoContextTakeover === true ? "; server_no_context_takeover" : "") +
    (options.clientNoContextTakeover === true ? "; client_no_context_takeover" : "") +
    (serverMaxWindowBits < WINDOW_BITS_MAX ? `; server_max_window_bits=${serverMaxWindowBits}` : "") +
    (clientMaxWindowBits < WINDOW_BITS_MAX
      ? `; client_max_window_bits=${clientMaxWindowBits}`
      : "; client_max_window_bits");
}

/** What a server has made of our offer; null when that is no answer to it, and the session must fail. */
export function readDeflateReply(reply: Extension, options: DeflateOptions): DeflateParameters | null {
  const answer = reply.name === PERMESSAGE_DEFLATE ? stated(reply, true) : null;
  if (answer === null || answer.clientMaxWindowBits === true) return null;
  const { serverMaxWindowBits = WINDOW_BITS_MAX, clientMaxWindowBits = WINDOW_BITS_MAX } = options;
  if (options.serverNoContextTakeover === true && !answer.serverNoContextTakeover) return null;
  if ((answer.serverMaxWindowBits ?? WINDOW_BITS_MAX) > serverMaxWindowBits) return null;
  if ((answer.clientMaxWindowBits ?? 0) > clientMaxWindowBits) return null;
  return {
    serverNoContextTakeover: answer.serverNoContextTakeover,
    clientNoContextTakeover: answer.clientNoContextTakeover || options.clientNoContextTakeover === true,
    serverMaxWindowBits: answer.serverMaxWindowBits ?? WINDOW_BITS_MAX,
    clientMaxWindowBits: Math.min(answer.clientMaxWindowBits ?? WINDOW_BITS_MAX, clientMaxWindowBits),
  };
}
