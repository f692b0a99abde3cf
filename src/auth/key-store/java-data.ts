/** Reads the forms of java.io.DataInput, big-endian. Whatever it throws means that the data are damaged. */
export class JavaDataReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A number of one byte, from 0. */
  readByte(): number {
    return this.#take(1).readUInt8();
  }

  /** A number of two bytes, from 0. */
  readShort(): number {
    return this.#take(2).readUInt16BE();
  }

  /** A signed number of four bytes. */
  readInt(): number {
    return this.#take(4).readInt32BE();
  }

  /** As many bytes as the number before them says. */
  readBytes(): Buffer {
    return this.#take(this.readInt());
  }

  /** Text as `writeUTF` writes it. */
  readText(): string {
    return decodeModifiedUtf8(this.#take(this.readShort()));
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): Buffer {
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError('the data end too early');
    const taken = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return taken;
  }
}

/**
 * Text of the modified UTF-8 of Java (java.io.DataInput): U+0000 has two bytes, and what lies
 * beyond U+FFFF is two surrogates of three bytes each.
 */
function decodeModifiedUtf8(bytes: Buffer): string {
  const units: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : 3;
    if (first >= 0xf0 || (first & 0xc0) === 0x80) throw new RangeError('not modified UTF-8');
    let unit = length === 1 ? first : first & (0xff >> (length + 1));
    for (const next of bytes.subarray(at + 1, at + length)) {
      if ((next & 0xc0) !== 0x80) throw new RangeError('not modified UTF-8');
      unit = (unit << 6) | (next & 0x3f);
    }
    units.push(unit);
    at += length;
  }
  return Buffer.from(Uint16Array.from(units).buffer).toString('utf16le');
}
