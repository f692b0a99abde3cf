import { EventEmitter } from 'node:events';
import { LRUCache } from 'lru-cache';
import { parse as parseMessages, serialize } from 'pg-protocol';
import type { Clock } from '../clock.js';
import type { Statement } from '../sql/statement.js';
import type { Guard, MessageReader } from './guard.js';
import { isServerError } from './pg-error.js';
import { HEADER_BYTES } from './protocol/frames.js';
import { rowReader, type RowReader } from './row-reader.js';
import type { Field, Row, RowBatch } from './rows.js';
import { prepareValue } from './value-types.js';

/** A statement on its way through a {@link Pipeline}, and who waits for its rows. */
export interface PipelinedRead {
  readonly statement: Statement;
  /** Most rows to be sent; undefined = all. */
  readonly limit: number | undefined;
  readonly done: (batch: RowBatch, tookMs: number) => void;
  /** What the server said, as the driver gives it, or what ended the session. */
  readonly failed: (error: unknown) => void;
}

/** A statement as this session knows it. */
interface Prepared {
  /** Name at the server; empty until the text is met again. */
  name: string;
  /** Undefined until the server has described the rows. */
  fields: readonly Field[] | undefined;
  read: RowReader | undefined;
}

interface Entry<R> {
  readonly read: R;
  readonly prepared: Prepared;
  readonly rows: Row[];
  affectedRows: number;
  error: unknown;
  /** When the server could begin with it, by the steady clock. */
  startedAtMs: number;
  /** A plan that has become stale was made anew for it. */
  readonly isSecondTry: boolean;
  /** Its answer is of no use any more. */
  isDropped: boolean;
}

const [PARSED, BOUND, CLOSED, DATA_ROW, COMPLETE, ERROR, EMPTY, SUSPENDED, NO_ROWS, PARAMETERS, ROWS, READY] =
  Buffer.from('123DCEIsntTZ');
const IDLE = 'I'.charCodeAt(0);
const SYNC = serialize.sync();
const EXECUTE_ALL = serialize.execute({});

/** Names of statements that a session keeps at the server. */
const MOST_NAMES = 100;

/** What the server says of a named statement that it does not know, or whose result has changed. */
const STALE = new Set(['26000', '0A000']);

/**
 * Reads of one session, several on their way at a time (PostgreSQL documentation, section 54.2.4): each
 * ends with a Sync of its own, so that none fails with another. A text that is met again becomes a
 * named statement, which the server neither parses nor describes anew.
 *
 * While reads are on their way the guard gives their answers to it instead of the driver.
 */
export class Pipeline<R extends PipelinedRead> implements MessageReader {
  readonly #guard: Guard;
  readonly #clock: Clock;
  /** Told when the last read was answered, or was lost. */
  onIdle: () => void = () => undefined;
  readonly #entries: Entry<R>[] = [];
  readonly #statements: LRUCache<string, Prepared>;
  readonly #toClose: string[] = [];
  #names = 0;
  #unsent: Buffer[] = [];
  readonly #messages = new EventEmitter();

  constructor(guard: Guard, clock: Clock) {
    this.#guard = guard;
    this.#clock = clock;
    this.#statements = new LRUCache({
      max: MOST_NAMES,
      dispose: ({ name }) => {
        if (name !== '') this.#toClose.push(name);
      },
    });
    // What is no row is read by the driver's own parser.
    void parseMessages(this.#messages as NodeJS.ReadableStream, (message) => {
      this.#take(message);
    });
  }

  get inFlight(): number {
    return this.#entries.length;
  }

  /** The read that the server works on, since when, and whether it was taken back; undefined when there is none. */
  get head(): { readonly read: R; readonly startedAtMs: number; readonly isDropped: boolean } | undefined {
    return this.#entries[0];
  }

  /** Sends `read` together with all others of this turn of the event loop. */
  send(read: R): void {
    this.#enter(read, false);
  }

  /** Takes back the reads behind the first one, in their order: what the server says of them will be dropped. */
  takeFollowers(): R[] {
    const followers = this.#entries.slice(1).filter(({ isDropped }) => !isDropped);
    for (const entry of followers) entry.isDropped = true;
    return followers.map(({ read }) => read);
  }

  /** Nothing will be answered any more. */
  lost(error: unknown): void {
    const entries = this.#entries.splice(0);
    if (entries.length === 0) return;
    for (const entry of entries) if (!entry.isDropped) entry.read.failed(entry.error ?? error);
    this.onIdle();
  }

  /** What was prepared is gone at the server (`DISCARD ALL`, `DEALLOCATE ALL`). */
  forgetStatements(): void {
    this.#statements.clear();
    this.#toClose.length = 0;
  }

  #enter(read: R, isSecondTry: boolean): void {
    const { text } = read.statement;
    const known = this.#statements.get(text);
    const prepared = known ?? { name: '', fields: undefined, read: undefined };
    const isNew = prepared.name === '';
    const name = known && isNew ? `pg_entra_${String((this.#names += 1))}` : prepared.name;
    const messages = messagesOf(read, name, { isNew, isDescribed: prepared.fields !== undefined });
    prepared.name = name;
    if (!known) this.#statements.set(text, prepared);
    if (this.#entries.length === 0) this.#guard.divert(this);
    this.#entries.push({
      read,
      prepared,
      rows: [],
      affectedRows: 0,
      error: undefined,
      startedAtMs: this.#clock.steadyMs(),
      isSecondTry,
      isDropped: false,
    });
    for (const stale of this.#toClose.splice(0)) this.#queue(serialize.close({ type: 'S', name: stale }));
    for (const message of messages) this.#queue(message);
  }

  #queue(message: Buffer): void {
    if (this.#unsent.length === 0) process.nextTick(() => this.#flush());
    this.#unsent.push(message);
  }

  #flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#guard.write(Buffer.concat(unsent));
  }

  /** @throws RangeError for what does not belong to a read; the guard ends the session then */
  message(bytes: Buffer, start: number, end: number): void {
    const entry = this.#entries[0];
    if (!entry) throw new RangeError('an answer to no read');
    switch (bytes[start]) {
      case DATA_ROW:
        entry.rows.push(readerOf(entry)(bytes, start, end));
        return;
      case READY:
        this.#complete(entry, bytes[start + HEADER_BYTES]);
        return;
      case ROWS:
      case COMPLETE:
      case ERROR:
        this.#messages.emit('data', bytes.subarray(start, end));
        return;
      case NO_ROWS:
        describeRows(entry.prepared, []);
        return;
      case SUSPENDED:
        entry.affectedRows = entry.rows.length;
        return;
      case PARSED:
      case BOUND:
      case CLOSED:
      case EMPTY:
      case PARAMETERS:
        return;
      default:
        throw new RangeError('an answer that is none to a read');
    }
  }

  #take(message: object): void {
    const [entry] = this.#entries as [Entry<R>];
    const { name } = message as { name: string };
    if (name === 'error') entry.error = message;
    else if (name === 'rowDescription') describeRows(entry.prepared, fieldsOf(message));
    else entry.affectedRows = countOf((message as { text: string }).text);
  }

  #complete(entry: Entry<R>, status: number | undefined): void {
    if (status !== IDLE) throw new RangeError('a read that left a transaction open');
    this.#entries.shift();
    const next = this.#entries[0];
    const nowMs = this.#clock.steadyMs();
    if (next) next.startedAtMs = nowMs;
    this.#settle(entry, nowMs - entry.startedAtMs);
    if (this.#entries.length > 0) return;
    this.#guard.divert(undefined);
    this.onIdle();
  }

  #settle(entry: Entry<R>, tookMs: number): void {
    const { read, prepared, rows, affectedRows, error, isDropped } = entry;
    if (error === undefined) {
      if (!isDropped) read.done({ rows, fields: prepared.fields ?? [], affectedRows }, tookMs);
      return;
    }
    // Parsed for nothing, or by a name that the server does not have.
    const { text } = read.statement;
    if (this.#statements.peek(text) === prepared) this.#statements.delete(text);
    if (isDropped) return;
    if (this.#isStale(entry)) this.#enter(read, true);
    else read.failed(error);
  }

  #isStale({ error, prepared, isSecondTry }: Entry<R>): boolean {
    return prepared.name !== '' && !isSecondTry && isServerError(error) && STALE.has(error.code);
  }
}

function messagesOf(
  { statement, limit }: PipelinedRead,
  name: string,
  { isNew, isDescribed }: { isNew: boolean; isDescribed: boolean },
): Buffer[] {
  const { text, values } = statement;
  return [
    ...(isNew ? [serialize.parse({ name, text })] : []),
    serialize.bind({ statement: name, values: values as unknown[], valueMapper: prepareValue }),
    ...(isNew || !isDescribed ? [serialize.describe({ type: 'P' })] : []),
    limit === undefined ? EXECUTE_ALL : serialize.execute({ rows: limit }),
    SYNC,
  ];
}

function readerOf({ prepared }: { readonly prepared: Prepared }): RowReader {
  if (!prepared.read) throw new RangeError('rows that were not described');
  return prepared.read;
}

function describeRows(prepared: Prepared, fields: readonly Field[]): void {
  prepared.fields = fields;
  prepared.read = rowReader(fields);
}

function fieldsOf(message: object): Field[] {
  const { fields } = message as { fields: { name: string; dataTypeID: number }[] };
  return fields.map(({ name, dataTypeID }) => ({ name, typeOid: dataTypeID }));
}

/** The number at the end of a command tag, `SELECT 5`. */
function countOf(tag: string): number {
  return Number(/\d+$/.exec(tag)?.[0] ?? 0);
}
