/**
 * libevent's public flags, under their C names and with their C values, so that its book and our code say the same.
 *
 * @module
 */

/** A timeout has passed (event callback), or is wanted (once). */
export const EV_TIMEOUT = 0x01;
/** Wait for, or report, readability or end of stream. */
export const EV_READ = 0x02;
/** Wait for, or report, writability. */
export const EV_WRITE = 0x04;
/** The event's number is a signal, not a descriptor. */
export const EV_SIGNAL = 0x08;
/** The event stays added after its callback ran; its timeout then counts from anew. */
export const EV_PERSIST = 0x10;
/** Report changes of readiness instead of readiness, where the backend can. */
export const EV_ET = 0x20;
/** Wait for, or report, that the peer closed its sending side, even with data unread. */
export const EV_CLOSED = 0x80;

/** Run until something ran and nothing is active any more, waiting at most once for that. */
export const EVLOOP_ONCE = 0x01;
/** Never sleep: run what is ready, over and over, until nothing is. With EVLOOP_ONCE: one pass. */
export const EVLOOP_NONBLOCK = 0x02;
/** Keep waiting even when no event is pending, until told to stop. */
export const EVLOOP_NO_EXIT_ON_EMPTY = 0x04;

/** Something happened while reading. */
export const BEV_EVENT_READING = 0x01;
/** Something happened while writing. */
export const BEV_EVENT_WRITING = 0x02;
/** End of stream. */
export const BEV_EVENT_EOF = 0x10;
/** An error; `error` of the connection says which. */
export const BEV_EVENT_ERROR = 0x20;
/** A read or write timeout has passed. */
export const BEV_EVENT_TIMEOUT = 0x40;
/** A connect has succeeded. */
export const BEV_EVENT_CONNECTED = 0x80;
/** The peer has closed its sending side, or gone, while we need not even be reading; ours, libevent has no such event. */
export const BEV_EVENT_PEER_CLOSED = 0x100;

/** Flush what can be passed on anyway. */
export const BEV_NORMAL = 0;
/** Flush what is held back, too. */
export const BEV_FLUSH = 1;
/** Flush everything: nothing more will come. */
export const BEV_FINISHED = 2;

/** A filter's transform has done something. */
export const BEV_OK = 0;
/** A filter's transform can do nothing before more comes. */
export const BEV_NEED_MORE = 1;
/** A filter's transform can do nothing ever again. */
export const BEV_ERROR = 2;

/** Count what is active. */
export const EVENT_BASE_COUNT_ACTIVE = 1;
/** Count pending things that are no events. */
export const EVENT_BASE_COUNT_VIRTUAL = 2;
/** Count memberships of events in lists. */
export const EVENT_BASE_COUNT_ADDED = 4;
