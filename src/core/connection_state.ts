/**
 * Facts about a connection, as bits of one number: a field for each would cost every idle connection eight bytes a fact.
 *
 * @module
 */

/** All callbacks are called from the loop. */
export const DEFERS_CALLBACKS = 0x001;
/** The descriptor is left open when the connection is done with it. */
export const KEEPS_OPEN = 0x002;
/** The connection was closed. */
export const CLOSED = 0x004;
/** It is to be closed once everything queued has been sent. */
export const CLOSING = 0x008;
/** A connect has begun and not ended. */
export const CONNECTING = 0x010;
/** connect() made the socket. */
export const OWNS_SOCKET = 0x020;
/** A write or connect has failed or timed out, and writing was not enabled again since. */
export const SENDING_FAILED = 0x040;
/** The loop watches for readability. */
export const READ_WATCHED = 0x080;
/** The loop watches for writability. */
export const WRITE_WATCHED = 0x100;
/** Somebody wants to hear of the peer's close out of turn. */
export const PEER_CLOSE_WANTED = 0x200;
/** The peer's end was told, one way or the other. */
export const PEER_CLOSE_TOLD = 0x400;
/** Reads bring much at a time, and so get memory of their own. */
export const READS_MUCH = 0x800;
/** Output is being handed to the kernel: callbacks on the buffer run meanwhile. */
export const SENDING = 0x1000;
/** One of our own callbacks runs: what it queues is sent when the outermost ends. */
export const IN_CALLBACK = 0x2000;
/** The read timeout is not yet the one of the event that waits. */
export const READ_TIMEOUT_NEW = 0x4000;
/** The write timeout is not yet the one of the event that waits. */
export const WRITE_TIMEOUT_NEW = 0x8000;
/** Writing is to be ended as soon as there is a peer, and what was queued until then has been sent. */
export const ENDS_WRITING = 0x1000000;
/** It was closed, and what is written to it is dropped. */
export const DROPS_OUT = 0x2000000;
/** `EV_READ` and `EV_WRITE` as the user enabled them, that many bits further up. */
export const ENABLED_SHIFT = 16;
/** What has ended, as bits of `async_face.ts`, and {@linkcode UNCONNECTED}; that many bits further up. */
export const ENDED_SHIFT = 20;
/** A connect has begun and not succeeded. */
export const UNCONNECTED: number = 0x8 << ENDED_SHIFT;
