/** The kinds of frames (RFC 6455 section 5.2). @module */

/** A further piece of the message that an earlier frame has begun. */
export const OPCODE_CONTINUATION = 0x0;
/** A message of UTF-8 text, or its first piece. */
export const OPCODE_TEXT = 0x1;
/** A message of bytes, or its first piece. */
export const OPCODE_BINARY = 0x2;
/** The sender will send no more. */
export const OPCODE_CLOSE = 0x8;
/** Asks for a pong with the same content. */
export const OPCODE_PING = 0x9;
/** Answers a ping, or is sent unasked. */
export const OPCODE_PONG = 0xa;

/** The last frame of a message. */
export const FINAL_BIT = 0x80;
/** The message is compressed (RFC 7692 section 6). */
export const COMPRESSED_BIT = 0x40;
/** In the second byte: the payload is masked. */
export const MASK_BIT = 0x80;
/** Most bytes of a control frame's payload (RFC 6455 section 5.5). */
export const CONTROL_BYTES_MAX = 125;
/** The longest head of a frame: two bytes, eight of length, four of mask. */
export const FRAME_HEAD_BYTES_MAX = 14;
