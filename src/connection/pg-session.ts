import type pg from 'pg';
import type { Socket } from 'node:net';
import { aborted, deadline, startBudget, type Clock } from '../clock.js';
import { asConnectorError, ConnectorError, describe, isConnectorError } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import { cancelBackend } from './cancel.js';
import { isFatal, isServerError, statementError } from './pg-error.js';
import { CommitAwareCursor, fieldsOf, read } from './cursor.js';
import type { Poolable } from './pool.js';
import type { Row, RowBatch } from './rows.js';
import type { BatchOptions, Session, StatementOptions } from './session.js';
import type { Endpoint } from './transport.js';
import { LOSSLESS_TYPES } from './value-types.js';

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
export class PgSession implements Session, Poolable {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #context: SessionContext;
  readonly openedAtMs: number;
  #broken: ConnectorError | undefined;
  #onBroken: (() => void) | undefined;
  /** Between our own BEGIN and COMMIT. */
  #inTransaction = false;
  /** Those who wait for an answer, and would wait in vain once the session is broken. */
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(client: pg.Client, socket: Socket, context: SessionContext) {
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
   *   OPERATION_TIMEOUT, CONNECTION_LOST, the reason of `signal`; in place of these three
   *   OUTCOME_UNKNOWN for a write outside a transaction, which may have happened
   */
  async *run(statement: Statement, options: BatchOptions): AsyncGenerator<RowBatch, void, undefined> {
    this.#requireUse(options);
    const cursor = this.#client.query(
      new CommitAwareCursor(statement.text, [...statement.values], {
        types: LOSSLESS_TYPES,
      }),
    );
    let ended = false;
    try {
      for (;;) {
        const batch = await this.#answer(read(cursor, options.batchSize), options).catch((error: unknown) => {
          ended = true;
          throw error;
        });
        ended = batch.affectedRows !== undefined;
        yield batch;
        if (ended) return;
      }
    } finally {
      await this.#endCursor(cursor, { ...options, writes: options.writes && !ended });
    }
  }

  // Trouble with the end of a read neither hides an earlier error nor punishes who leaves early.
  async #endCursor(cursor: CommitAwareCursor, options: StatementOptions): Promise<void> {
    if (!this.#isWhole()) return;
    try {
      await this.#answer(cursor.close(), options);
    } catch (error) {
      this.destroy();
      if (options.writes) throw error;
    }
  }

  /** The whole result of `statement` as one batch. Throws what {@link run} throws. */
  async all(statement: Statement, options: StatementOptions): Promise<RowBatch> {
    this.#requireUse(options);
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
    this.#inTransaction = true;
    try {
      const result = await work();
      this.#inTransaction = false;
      await control('commit', true);
      return result;
    } catch (error) {
      this.#inTransaction = false;
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
    this.#breakWith(new ConnectorError('CONNECTOR_CLOSED', {}));
    const end = this.#client.end().catch(() => undefined);
    const cancel = this.#context.clock.after(CLOSE_GRACE_MS, () => this.#socket.destroy());
    await end.finally(cancel);
  }

  /** Ends the session without asking the server. */
  destroy(): void {
    this.#breakWith(new ConnectorError('CONNECTOR_CLOSED', {}));
    this.#socket.destroy();
  }

  #requireUse({ signal }: StatementOptions): void {
    if (this.#broken) throw this.#broken;
    if (signal?.aborted === true) throw asConnectorError(signal.reason, signal);
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
    // One registration per wait: a race with a promise that lives as long as the session would keep
    // something of every statement until its end.
    let interrupt: (error: Error) => void = () => undefined;
    const broken = new Promise<never>((_, reject) => {
      interrupt = reject;
    });
    this.#waiting.add(interrupt);
    try {
      return await Promise.race([reply, aborted(limit.signal), broken]);
    } catch (error) {
      throw this.#failure(error, options, limit.signal);
    } finally {
      this.#waiting.delete(interrupt);
      limit.dispose();
    }
  }

  #failure(error: unknown, { writes }: StatementOptions, signal: AbortSignal): ConnectorError {
    if (isServerError(error) && !isFatal(error)) return statementError(error);
    const reason = this.#reasonFor(error, signal);
    if (signal.aborted) this.#abandon();
    else this.#breakWith(reason);
    // What was not committed is rolled back by the loss of its session: that outcome is known.
    if (!writes || this.#inTransaction) return reason;
    return new ConnectorError('OUTCOME_UNKNOWN', { problem: reason.message }, { cause: reason });
  }

  #reasonFor(error: unknown, signal: AbortSignal): ConnectorError {
    if (isServerError(error)) return statementError(error);
    if (signal.aborted) return asConnectorError(signal.reason, signal);
    return this.#broken ?? this.#lost(error);
  }

  /** Stops the statement at the server, then gives the session up: nobody waits for its answer. */
  #abandon(): void {
    this.#breakWith(new Error('given up by its caller'));
    const { endpoint, clock } = this.#context;
    const budget = startBudget(clock, CANCEL_GRACE_MS);
    cancelBackend(this.#client, endpoint, { clock, budget }).catch(() => undefined);
    this.#socket.destroy();
  }

  #breakWith(error: unknown): void {
    if (this.#broken) return;
    this.#broken = isConnectorError(error) ? error : this.#lost(error);
    for (const interrupt of [...this.#waiting]) interrupt(this.#broken);
    this.#onBroken?.();
  }

  #lost(error: unknown): ConnectorError {
    if (isServerError(error)) return statementError(error);
    const { host, port } = this.#context.endpoint;
    return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
  }
}

const CLOSE_GRACE_MS = 2_000;
const CANCEL_GRACE_MS = 5_000;
