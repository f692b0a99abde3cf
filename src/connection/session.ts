import pg from 'pg';
import Cursor from 'pg-cursor';
import type { TLSSocket } from 'node:tls';
import { deadline, type Clock } from '../clock.js';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import { isoTimestamp, TYPE_OIDS } from '../sql/type-codecs.js';
import { isServerError, statementError } from './pg-error.js';
import { openTransport, type Endpoint } from './transport.js';

/** A row: column name to value, without a prototype's names in the way. */
export type Row = Record<string, unknown>;

/** A column of a result. */
export interface Field {
  readonly name: string;
  /** Object id of the type (catalog pg_type). */
  readonly typeOid: number;
}

/** A part of a result, in order. The last part carries the count. */
export interface RowBatch {
  readonly rows: Row[];
  readonly fields: readonly Field[];
  /** Rows the command affected or returned; undefined until it has ended. */
  readonly affectedRows: number | undefined;
}

/** How one statement runs. */
export interface StatementOptions {
  /** Whether repeating it could do harm: decides what a lost answer means. */
  readonly writes: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface BatchOptions extends StatementOptions {
  /** Most rows of one batch. */
  readonly batchSize: number;
}

/** What a session needs beside its driver. */
export interface SessionContext {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Limit of each answer in milliseconds; 0 = none. */
  readonly timeoutMs: number;
}

/**
 * One logged-in connection. It runs one statement at a time; a failed wait or a broken stream
 * makes it unusable for good, an SQL error does not.
 */
export class Session {
  readonly #client: pg.Client;
  readonly #socket: TLSSocket;
  readonly #context: SessionContext;
  readonly openedAtMs: number;
  #broken: ConnectorError | undefined;
  #onBroken: (() => void) | undefined;

  constructor(client: pg.Client, socket: TLSSocket, context: SessionContext) {
    this.#client = client;
    this.#socket = socket;
    this.#context = context;
    this.openedAtMs = context.clock.steadyMs();
    client.on('error', (error) => {
      this.#breakWith(error);
    });
    client.on('end', () => {
      this.#breakWith(new Error('ended by the server'));
    });
  }

  /** Process id of the server's backend, as in pg_stat_activity. */
  get id(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Ready for another borrower: connected, and in no transaction. */
  get usable(): boolean {
    return this.#broken === undefined && this.#client.getTransactionStatus() === 'I';
  }

  whenBroken(listener: () => void): void {
    this.#onBroken = listener;
  }

  /**
   * Runs `statement` and yields its rows in batches of at most `batchSize`; the last batch, which
   * may be empty, carries the count. Leaving early closes the portal and keeps the session.
   *
   * @throws ConnectorError for what the server says (see the table of SQLSTATEs in `pg-error.ts`),
   *   OPERATION_TIMEOUT, CONNECTION_LOST, OUTCOME_UNKNOWN (a write whose answer was lost), or the
   *   reason of `signal`
   */
  async *run(statement: Statement, options: BatchOptions): AsyncGenerator<RowBatch, void, undefined> {
    if (this.#broken) throw this.#broken;
    const cursor = this.#client.query(
      new CommitAwareCursor(statement.text, [...statement.values], {
        types: LOSSLESS_TYPES,
      }),
    );
    try {
      for (;;) {
        const batch = await this.#answer(read(cursor, options.batchSize), options);
        yield batch;
        if (batch.affectedRows !== undefined) return;
      }
    } finally {
      if (this.#isWhole()) await this.#answer(cursor.close(), options);
    }
  }

  /** The whole result of `statement` as one batch. Throws what {@link run} throws. */
  async all(statement: Statement, options: StatementOptions): Promise<RowBatch> {
    if (this.#broken) throw this.#broken;
    const { text, values } = statement;
    // Always the extended protocol: the simple one would take several statements in one text.
    const query = { text, values: [...values], queryMode: 'extended' };
    const result = await this.#answer(this.#client.query<Row>(query), options);
    return { rows: result.rows, fields: fieldsOf(result), affectedRows: result.rowCount ?? 0 };
  }

  /**
   * Runs `work` between BEGIN and COMMIT. When it fails, the transaction is rolled back and the
   * first error is thrown; a COMMIT whose answer is lost is OUTCOME_UNKNOWN.
   */
  async transaction<R>(
    work: () => Promise<R>,
    { signal }: { readonly signal?: AbortSignal | undefined },
  ): Promise<R> {
    const control = async (text: string, writes: boolean): Promise<void> => {
      await this.all({ text, values: [] }, { writes, signal });
    };
    await control('begin', false);
    try {
      const result = await work();
      await control('commit', true);
      return result;
    } catch (error) {
      if (this.#isWhole()) await control('rollback', false).catch(() => undefined);
      throw error;
    }
  }

  /** Ends the session in good order; at once when it is broken. Idempotent. */
  async close(): Promise<void> {
    if (this.#broken) {
      this.#socket.destroy();
      return;
    }
    this.#broken = new ConnectorError('CONNECTOR_CLOSED', {});
    const end = this.#client.end().catch(() => undefined);
    const cancel = this.#context.clock.after(CLOSE_GRACE_MS, () => this.#socket.destroy());
    await end.finally(cancel);
  }

  /** Ends the session without asking the server. */
  destroy(): void {
    this.#broken ??= new ConnectorError('CONNECTOR_CLOSED', {});
    this.#socket.destroy();
  }

  #isWhole(): boolean {
    return this.#broken === undefined;
  }

  async #answer<T>(reply: Promise<T>, options: StatementOptions): Promise<T> {
    const { clock, timeoutMs } = this.#context;
    const limit = deadline(
      clock,
      timeoutMs,
      () => new ConnectorError('OPERATION_TIMEOUT', { timeoutMs }),
      options.signal,
    );
    try {
      return await Promise.race([reply, aborted(limit.signal)]);
    } catch (error) {
      throw this.#failure(error, options, limit.signal);
    } finally {
      limit.dispose();
    }
  }

  #failure(error: unknown, { writes }: StatementOptions, signal: AbortSignal): ConnectorError {
    if (isServerError(error)) return statementError(error);
    if (signal.aborted) {
      this.#abandon();
      return isConnectorError(signal.reason)
        ? signal.reason
        : new ConnectorError('CANCELLED', {}, { cause: signal.reason });
    }
    this.#breakWith(error);
    if (writes) return new ConnectorError('OUTCOME_UNKNOWN', {}, { cause: error });
    return this.#broken ?? this.#lost(error);
  }

  /** Stops the statement at the server, then gives the session up: nobody waits for its answer. */
  #abandon(): void {
    this.#breakWith(new Error('given up by its caller'));
    cancelBackend(this.#context, this.#client).catch(() => undefined);
    this.#socket.destroy();
  }

  #breakWith(error: unknown): void {
    if (this.#broken) return;
    this.#broken = isConnectorError(error) ? error : this.#lost(error);
    this.#onBroken?.();
  }

  #lost(error: unknown): ConnectorError {
    const { host, port } = this.#context.endpoint;
    return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
  }
}

const CLOSE_GRACE_MS = 2_000;

function read(cursor: Cursor<Row>, batchSize: number): Promise<RowBatch> {
  return new Promise((resolve, reject) => {
    cursor.read(batchSize, (error: Error | undefined, rows, result) => {
      if (error) {
        reject(error);
        return;
      }
      // The command tag arrives with the end of the portal, that is with a batch that is not full.
      const ended = rows.length < batchSize;
      resolve({ rows, fields: fieldsOf(result), affectedRows: ended ? (result.rowCount ?? 0) : undefined });
    });
  });
}

function fieldsOf({ fields }: pg.QueryResult): Field[] {
  return fields.map(({ name, dataTypeID }) => ({ name, typeOid: dataTypeID }));
}

/**
 * A cursor that also reports what fails after its last row: a deferred constraint or a
 * serialization failure is found when the implicit transaction commits, and pg-cursor 2.22 drops
 * that error because the portal is closed by then.
 */
class CommitAwareCursor extends Cursor<Row> {
  handleError(error: Error): void {
    const cursor = this as unknown as { state: string; _cb: ((error: Error) => void) | null };
    const waiting = cursor._cb;
    if (cursor.state === 'done' && waiting) {
      cursor._cb = null;
      waiting(error);
      return;
    }
    (Cursor.prototype as unknown as CommitAwareCursor).handleError.call(this, error);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const leave = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}

const CANCEL_REQUEST_CODE = 80_877_102;

// The key that cancels is as good as a password for this session: it travels over verified TLS too
// (PostgreSQL documentation, section 54.2.8).
async function cancelBackend(
  { endpoint, clock, timeoutMs }: SessionContext,
  client: pg.Client,
): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = await openTransport(endpoint, { clock, timeoutMs });
  socket.on('error', () => undefined);
  socket.end(request);
}

const text = (value: string): string => value;
const PARSERS = new Map<number, (value: string) => unknown>([
  [TYPE_OIDS.date, text],
  [TYPE_OIDS.interval, text],
  [TYPE_OIDS.timestamp, isoTimestamp],
  [TYPE_OIDS.timestamptz, isoTimestamp],
  [TYPE_OIDS.dateArray, arrayOf(text)],
  [TYPE_OIDS.intervalArray, arrayOf(text)],
  [TYPE_OIDS.numericArray, arrayOf(text)],
  [TYPE_OIDS.timestampArray, arrayOf(isoTimestamp)],
  [TYPE_OIDS.timestamptzArray, arrayOf(isoTimestamp)],
]);

interface ArrayParser {
  create(value: string, element: (value: string) => unknown): { parse(): unknown };
}

function arrayOf(element: (value: string) => unknown): (value: string) => unknown {
  const { arrayParser } = pg.types as unknown as { arrayParser: ArrayParser };
  return (value) => arrayParser.create(value, element).parse();
}

/** Values without loss: `pg`'s own parsers where they lose nothing, ours for dates and times. */
export const LOSSLESS_TYPES = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    const own = format === 'binary' ? undefined : PARSERS.get(oid);
    return own ?? (pg.types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format);
  },
};
