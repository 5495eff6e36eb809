/**
 * Why a direction of a connection stands still although it is enabled. The reasons are bits of one mask per direction, so
 * that each can come and go without the others; values as in libevent's bufferevent_suspend_flags.
 *
 * @module
 */

/** The input holds as much as its high watermark, or more. */
export const SUSPEND_WATERMARK = 0x01;
/** The connection's own rate limit is used up. */
export const SUSPEND_BANDWIDTH = 0x02;
/** The rate limit of its group is used up. */
export const SUSPEND_GROUP = 0x04;
/** A host name is being looked up. */
export const SUSPEND_LOOKUP = 0x08;
/** Another connection reads on top of this one, and does not want any more for the time being. */
export const SUSPEND_FILTER = 0x10;
/** Nobody awaits what comes in, and the input holds enough for whoever asks next. Not in libevent. */
export const SUSPEND_READER = 0x20;
