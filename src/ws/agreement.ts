import type { DeflateParameters } from "./deflate_parameters.ts";

/** What was agreed upon in the handshake. */
export interface WebSocketAgreement {
  /** Whose side this is: a client masks what it sends. */
  readonly role: "server" | "client";
  /** The subprotocol; "" for none. */
  readonly protocol?: string | undefined;
  /** The parameters of permessage-deflate; none: messages are not compressed. */
  readonly deflate?: DeflateParameters | null | undefined;
}
