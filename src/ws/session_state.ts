/** How far a session is. @module */

/** Messages go both ways. */
export const OPEN = 0;
/** Our close frame is out, and the other side's awaited. */
export const CLOSING = 1;
/** Both are out, or something has gone wrong: the end of the connection is awaited. */
export const ENDING = 2;
/** The connection is closed. */
export const CLOSED = 3;

/** What users are told of it. */
export const STATES = ["open", "closing", "closing", "closed"] as const;
