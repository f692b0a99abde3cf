/** Bytes before the body of a message: its type and its length (PostgreSQL documentation, section 54.1). */
export const HEADER_BYTES = 5;

/** Takes one whole message: `bytes[start]` is its type, its body ends before `end`. */
export type MessageSink = (bytes: Buffer, start: number, end: number) => void;

/** Throws when a message of `type` may not have `size` bytes, its header included; nothing of it is kept then. */
export type HeaderCheck = (type: number, size: number) => void;

/**
 * Cuts what a server sends into whole messages. Those that arrive in one piece are handed on without
 * being copied; of a message in pieces each byte is copied once, however large it is.
 */
export class FrameSplitter {
  readonly #sink: MessageSink;
  readonly #requireHeader: HeaderCheck;
  #pieces: Buffer[] = [];
  #piecesLength = 0;
  /** Of the message that is in pieces, once its header is whole. */
  #size = 0;

  constructor(sink: MessageSink, requireHeader: HeaderCheck) {
    this.#sink = sink;
    this.#requireHeader = requireHeader;
  }

  /** Takes what has arrived. Throws what `requireHeader` and the sink throw. */
  push(chunk: Buffer): void {
    let at = this.#piecesLength > 0 ? this.#completePieces(chunk) : 0;
    while (chunk.length - at >= HEADER_BYTES) {
      const end = at + this.#sizeAt(chunk, at);
      if (end > chunk.length) break;
      this.#sink(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk.subarray(at));
  }

  /** Ends the message that was begun, if `chunk` does; gives how much of `chunk` was used up. */
  #completePieces(chunk: Buffer): number {
    const missingHeader = Math.max(0, HEADER_BYTES - this.#piecesLength);
    if (chunk.length < missingHeader) {
      this.#keep(chunk);
      return chunk.length;
    }
    if (missingHeader > 0) this.#joinHeader(chunk.subarray(0, missingHeader));
    const missing = this.#size - this.#piecesLength;
    if (chunk.length - missingHeader < missing) {
      if (chunk.length > missingHeader) this.#keep(chunk.subarray(missingHeader));
      return chunk.length;
    }
    const end = missingHeader + missing;
    const message = Buffer.concat([...this.#pieces, chunk.subarray(missingHeader, end)]);
    this.#pieces = [];
    this.#piecesLength = 0;
    this.#sink(message, 0, message.length);
    return end;
  }

  #joinHeader(rest: Buffer): void {
    const header = Buffer.concat([...this.#pieces, rest]);
    this.#pieces = [];
    this.#piecesLength = 0;
    this.#keep(header);
  }

  #keep(piece: Buffer): void {
    if (this.#piecesLength === 0 && piece.length >= HEADER_BYTES) this.#size = this.#sizeAt(piece, 0);
    this.#pieces.push(piece);
    this.#piecesLength += piece.length;
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const size = 1 + bytes.readInt32BE(at + 1);
    this.#requireHeader(bytes.readUInt8(at), size);
    return size;
  }
}
