import { HEADER_BYTES } from './frames.js';

const [SYNC, QUERY] = Buffer.from('SQ');
/** Parse, Bind, Describe, Execute, Close, Flush. */
const EXTENDED = new Set(Buffer.from('PBDECH'));

/**
 * What was asked of the server and is not answered yet, counted from the messages that are written
 * (PostgreSQL documentation, section 54.2). They may be written in any pieces.
 */
export class Requests {
  #syncs = 0;
  #hasUnsynced = false;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerLength = 0;
  #bodyLeft = 0;

  /** How many ReadyForQuery messages are to come. */
  get syncs(): number {
    return this.#syncs;
  }

  /** Whether the server owes an answer. */
  get isBusy(): boolean {
    return this.#syncs > 0 || this.#hasUnsynced;
  }

  /** Takes note of what is being written. */
  note(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const skipped = Math.min(this.#bodyLeft, bytes.length - at);
      this.#bodyLeft -= skipped;
      at += skipped;
      if (at === bytes.length) return;
      at += this.#readHeader(bytes, at);
    }
  }

  /** Takes note of a ReadyForQuery; false when none was to come. */
  answered(): boolean {
    if (this.#syncs === 0) return false;
    this.#syncs -= 1;
    return true;
  }

  #readHeader(bytes: Buffer, at: number): number {
    const taken = bytes.copy(this.#header, this.#headerLength, at, at + HEADER_BYTES - this.#headerLength);
    this.#headerLength += taken;
    if (this.#headerLength < HEADER_BYTES) return taken;
    this.#headerLength = 0;
    this.#bodyLeft = this.#header.readInt32BE(1) + 1 - HEADER_BYTES;
    const type = this.#header.readUInt8(0);
    if (type === SYNC || type === QUERY) {
      this.#syncs += 1;
      this.#hasUnsynced = false;
    } else if (EXTENDED.has(type)) this.#hasUnsynced = true;
    return taken;
  }
}
