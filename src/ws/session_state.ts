/** How far a session is. @module */

/** Messages go both ways. */
export const OPEN = 0;
/** Our close frame is out, and the other side's awaited. */
export const CLOSING = 1;
/** Theirs has come, or something has gone wrong. Ours may still wait to be sent. */
export const ENDING = 2;
/** Theirs has come, or something has gone wrong, and ours has left: only the end of the connection is awaited. */
export const OVER = 3;
/** The connection is closed. */
export const CLOSED = 4;

/** What users are told of it. */
export const STATES = ["open", "closing", "closing", "closing", "closed"] as const;
