import type { UploadBody } from "./upload_body.ts";

/**
 * The body of a request as it is to be sent: bytes where it was made of some, so that it has a length and can be sent again, else the stream.
 *
 * @param given what it was made of, as far as the caller has said; a `Request` that was made elsewhere does not tell.
 */
export async function fetchBody(request: Request, given: BodyInit | null | undefined): Promise<UploadBody | null> {
  const { body } = request;
  if (body === null || given instanceof ReadableStream) return body;
  if (given !== undefined && given !== null) return new Uint8Array(await request.arrayBuffer());
  // Whoever says how long a stream is need not be kept waiting.
  return request.headers.has("content-length") ? body : await wholeOrStream(body);
}

type Piece = ReadableStreamReadResult<Uint8Array>;

/** More pieces than runtimes make of bytes are no bytes. */
const PIECES_MAX = 8;

/** A stream that was made of bytes has few pieces and ends at once, which shows when it is read. What takes longer goes on as a stream. */
async function wholeOrStream(stream: ReadableStream<Uint8Array>): Promise<UploadBody> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let next = ahead(reader);
  while (pieces.length < PIECES_MAX) {
    const piece = await atOnce(next);
    if (piece === undefined) break;
    if (piece.done) return joined(pieces);
    pieces.push(piece.value);
    next = ahead(reader);
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const known = pieces.shift();
      if (known !== undefined) return controller.enqueue(known);
      const { done, value } = await next;
      if (done) return controller.close();
      controller.enqueue(value);
      next = ahead(reader);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Reads a piece that may never be asked for; then nobody hears of its failure either. */
function ahead(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Piece> {
  const piece = reader.read();
  piece.catch(() => {});
  return piece;
}

/** What a promise is about to bring, or undefined when that takes a turn of the loop or longer. */
function atOnce(piece: Promise<Piece>): Promise<Piece | undefined> {
  return Promise.race([piece, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 0))]);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(new ArrayBuffer(pieces.reduce((length, piece) => length + piece.length, 0)));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
