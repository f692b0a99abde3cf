import { HEADER_BYTES } from './frames.js';

/** What a message asks of the server, so far as it decides which answers are right. */
export type Request =
  | { readonly kind: 'parse' | 'bind' | 'close' | 'sync' | 'copy-end' }
  /** Of a statement or of a portal. */
  | { readonly kind: 'describe'; readonly ofStatement: boolean }
  /** `mostRows` 0 = all. */
  | { readonly kind: 'execute'; readonly mostRows: number; readonly mayCopy: boolean }
  | { readonly kind: 'query'; readonly mayCopy: boolean };

/** Types of the client's messages (PostgreSQL documentation, section 54.7). */
const [PARSE, BIND, DESCRIBE, EXECUTE, QUERY] = Buffer.from('PBDEQ');

const SIMPLE: ReadonlyMap<number, Request> = new Map<number, Request>([
  ['C'.charCodeAt(0), { kind: 'close' }],
  ['S'.charCodeAt(0), { kind: 'sync' }],
  ['c'.charCodeAt(0), { kind: 'copy-end' }],
  ['f'.charCodeAt(0), { kind: 'copy-end' }],
]);
const PARSING: Request = { kind: 'parse' };
const BINDING: Request = { kind: 'bind' };
const DESCRIBING_STATEMENT: Request = { kind: 'describe', ofStatement: true };
const DESCRIBING_PORTAL: Request = { kind: 'describe', ofStatement: false };
const EXECUTING: Request = { kind: 'execute', mostRows: 0, mayCopy: false };
const STATEMENT = 'S'.charCodeAt(0);

/** Messages whose bodies are read; the others may be large, and are passed by. */
const READ = new Set([PARSE, BIND, DESCRIBE, EXECUTE, QUERY]);

/** Reads requests from what is written, which may come in any pieces. */
export class RequestReader {
  readonly #sink: (request: Request) => void;
  /** The message that was begun in an earlier piece. */
  #begun: Buffer[] = [];
  #begunLength = 0;
  /** Bytes of a message still to be written that nobody reads. */
  #unread = 0;
  /** Names of the statements that may be a COPY, and whether the latest portal is one. */
  readonly #copies = new Set<string>();
  #isBoundToCopy = false;

  constructor(sink: (request: Request) => void) {
    this.#sink = sink;
  }

  /** Takes note of what is being written. */
  note(bytes: Buffer): void {
    const passed = Math.min(this.#unread, bytes.length);
    this.#unread -= passed;
    let rest = this.#begunLength > 0 ? this.#join(bytes) : bytes.subarray(passed);
    while (rest.length >= HEADER_BYTES) {
      const size = 1 + rest.readInt32BE(1);
      if (size > rest.length && READ.has(rest[0])) break;
      this.#read(rest, size);
      this.#unread = Math.max(0, size - rest.length);
      rest = rest.subarray(size);
    }
    if (rest.length === 0) return;
    this.#begun.push(rest);
    this.#begunLength += rest.length;
  }

  #join(bytes: Buffer): Buffer {
    const joined = Buffer.concat([...this.#begun, bytes]);
    this.#begun = [];
    this.#begunLength = 0;
    return joined;
  }

  #read(bytes: Buffer, size: number): void {
    const request = this.#requestOf(bytes, size);
    if (request) this.#sink(request);
  }

  #requestOf(bytes: Buffer, size: number): Request | undefined {
    switch (bytes[0]) {
      case PARSE:
        return this.#parse(bytes, size);
      case BIND:
        return this.#bind(bytes);
      case DESCRIBE:
        return bytes[HEADER_BYTES] === STATEMENT ? DESCRIBING_STATEMENT : DESCRIBING_PORTAL;
      case EXECUTE:
        return this.#execute(bytes.readInt32BE(size - 4));
      case QUERY:
        return { kind: 'query', mayCopy: saysCopy(bytes, HEADER_BYTES, size) };
      default:
        return SIMPLE.get(bytes.readUInt8(0));
    }
  }

  #parse(bytes: Buffer, size: number): Request {
    const nameEnd = bytes.indexOf(0, HEADER_BYTES);
    const name = bytes.toString('latin1', HEADER_BYTES, nameEnd);
    if (saysCopy(bytes, nameEnd + 1, size)) this.#copies.add(name);
    else if (this.#copies.size > 0) this.#copies.delete(name);
    return PARSING;
  }

  #bind(bytes: Buffer): Request {
    this.#isBoundToCopy = false;
    if (this.#copies.size > 0) {
      const portalEnd = bytes.indexOf(0, HEADER_BYTES);
      const name = bytes.toString('latin1', portalEnd + 1, bytes.indexOf(0, portalEnd + 1));
      this.#isBoundToCopy = this.#copies.has(name);
    }
    return BINDING;
  }

  #execute(mostRows: number): Request {
    if (mostRows === 0 && !this.#isBoundToCopy) return EXECUTING;
    return { kind: 'execute', mostRows, mayCopy: this.#isBoundToCopy };
  }
}

/** Whether a text holds the word COPY anywhere: a wrong yes only admits an answer that the driver refuses. */
function saysCopy(bytes: Buffer, start: number, end: number): boolean {
  return /\bcopy\b/i.test(bytes.toString('latin1', start, end));
}
