import type pg from 'pg';
import { setMaxListeners, type EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { aborted, deadline, nextTurn, type Clock } from '../clock.js';
import { asConnectorError, ConnectorError, describe, isConnectorError } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import { stopStatement } from './cancel.js';
import { isFatal, isServerError, statementError, type ServerError } from './pg-error.js';
import { CommitAwareCursor, fieldsOf, read } from './cursor.js';
import type { Guard } from './guard.js';
import type { Placement, ServerRole } from './host-roles.js';
import type { LaneRead } from './lane-read.js';
import { Pipeline } from './pipeline.js';
import { inDoubt, lateOutcome } from './outcome.js';
import type { Poolable } from './pool.js';
import { preceded, send } from './prelude.js';
import type { Row, RowBatch } from './rows.js';
import type { BatchOptions, Session, StatementOptions } from './session.js';
import type { Endpoint } from './transport.js';
import type { SessionSetting } from './session-settings.js';
import { Stoppage } from './stoppage.js';
import { Turns } from './turns.js';
import { encoded, LOSSLESS_TYPES } from './value-types.js';

/** What a session needs beside its driver. */
export interface SessionContext {
  /** What stands between the driver and its stream. */
  readonly guard: Guard;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Limit of each answer in milliseconds; 0 = none. */
  readonly timeoutMs: number;
  /** Settings that travel with every statement, because the server's session is another one each time. */
  readonly prelude?: readonly SessionSetting[] | undefined;
  readonly placement: Placement;
  /** As the server reported it at login; undefined where it did not. */
  readonly role: ServerRole | undefined;
}

/**
 * One logged-in connection. It runs one statement at a time, in the order of coming. A broken stream makes it unusable for
 * good, an SQL error does not. A statement that is given up (its limit is over, its caller left) is
 * stopped at the server; meanwhile the session is out of use.
 */
export class PgSession implements Session, Poolable {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #context: SessionContext;
  readonly openedAtMs: number;
  #pipeline: Pipeline<LaneRead> | undefined;
  #broken: ConnectorError | undefined;
  #onBroken: (() => void) | undefined;
  #sent = 0;
  /** When it last answered. */
  #heardAtMs: number;
  /** Something may have stayed in it. */
  #isTouched = false;
  /** Between our own BEGIN and COMMIT. */
  #inTransaction = false;
  readonly #turns = new Turns();
  readonly #stoppage = new Stoppage();
  /** Those who wait for an answer, and would wait in vain once the session is broken. */
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(client: pg.Client, socket: Socket, context: SessionContext) {
    this.#client = client;
    this.#socket = socket;
    this.#context = context;
    this.openedAtMs = context.clock.steadyMs();
    this.#heardAtMs = this.openedAtMs;
    client.on('error', (error) => {
      this.#loseWith(error);
    });
    client.on('end', () => {
      this.#loseWith(new Error('ended by the server'));
    });
    // A setting that the server reports was changed by something whose words did not tell it.
    const { connection } = client as unknown as { connection: EventEmitter };
    connection.on('parameterStatus', () => {
      this.#touch();
    });
  }

  /** Process id of the server's backend, as in pg_stat_activity. */
  get id(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  get role(): ServerRole | undefined {
    return this.#context.role;
  }

  /** Ready for another borrower: connected to the right server, and in no transaction. */
  get usable(): boolean {
    const { isCurrent } = this.#context.placement;
    const isFree = this.#isWhole() && !this.#stoppage.isUnderWay;
    return isCurrent && isFree && this.#client.getTransactionStatus() === 'I';
  }

  /** Why it is broken; undefined while it is not. */
  get failure(): ConnectorError | undefined {
    return this.#broken;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Whether {@link clean} has something to do before the session is lent again. */
  get isDirty(): boolean {
    const { isCurrent } = this.#context.placement;
    return isCurrent && this.#isWhole() && (this.#isTouched || !this.usable);
  }

  /** Reads that are on their way together; while there are some, nothing else may run here. */
  get pipeline(): Pipeline<LaneRead> {
    this.#pipeline ??= new Pipeline(this.#context.guard, this.#context.clock);
    return this.#pipeline;
  }

  /** Stops the read that the server works on. The session is out of use until that has come to its end. */
  interrupt(): void {
    if (!this.#stoppage.isUnderWay && this.#isWhole()) this.#stop();
  }

  whenBroken(listener: () => void): void {
    this.#onBroken = listener;
  }

  /**
   * Makes the session as it was after its login: waits for what is being stopped, rolls back what
   * is open, and lets the server discard the rest (settings, role, temporary tables, LISTEN,
   * advisory locks, cursors, prepared statements). One round trip where only the last is needed,
   * none where nothing is.
   *
   * @returns whether it may be lent again; if not, it is destroyed. Never rejects.
   */
  async clean(): Promise<boolean> {
    try {
      await this.#stoppage.over();
      if (this.#client.getTransactionStatus() !== 'I') await this.#rollBack();
      if (this.#isTouched) await this.#discardAll();
    } catch {
      this.destroy();
    }
    if (!this.usable) this.destroy();
    return this.usable;
  }

  async #discardAll(): Promise<void> {
    await this.#answer(this.#client.query('discard all'), { writes: false });
    this.#pipeline?.forgetStatements();
    this.#isTouched = false;
  }

  /** Asks the server once; false when it does not answer. Never rejects. */
  async validate(signal?: AbortSignal): Promise<boolean> {
    try {
      await this.all({ text: 'select 1', values: [] }, { writes: false, leavesTrace: false, signal });
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Runs `statement` and yields its rows in batches of at most `batchSize`; the last batch, which
   * may be empty, carries the count. Leaving early closes the portal and keeps the session. When
   * `signal` aborts while nobody asks for more, the statement is stopped at once; who asks then
   * hears the reason.
   *
   * @throws ConnectorError for what the server says (see the table of SQLSTATEs in `pg-error.ts`),
   *   OPERATION_TIMEOUT, CONNECTION_LOST, the reason of `signal`; in place of these three
   *   OUTCOME_UNKNOWN for a write outside a transaction, which may have happened
   */
  async *run(statement: Statement, options: BatchOptions): AsyncGenerator<RowBatch, void, undefined> {
    const { text, values } = encoded(statement);
    const endTurn = await this.#begin(options);
    const cursor = new CommitAwareCursor(text, [...values], { types: LOSSLESS_TYPES });
    this.#client.query(preceded(cursor, this.#context.prelude));
    // The portal's end must be asked for: a cancel does not reach a server that waits for us.
    const wrapUp = (): void => {
      cursor.close().catch(() => undefined);
    };
    let ended = false;
    let isPaused = false;
    const fate = { isStopped: false };
    const { signal } = options;
    const leave = (): void => {
      if (!isPaused || ended || !this.#isWhole()) return;
      fate.isStopped = true;
      wrapUp();
      this.#stop();
      endTurn();
    };
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      for (;;) {
        const reply = read(cursor, options.batchSize);
        const batch = await this.#answer(reply, options, wrapUp).catch((error: unknown) => {
          ended = true;
          throw error;
        });
        ended = batch.affectedRows !== undefined;
        if (ended) endTurn();
        isPaused = true;
        yield batch;
        isPaused = false;
        if (fate.isStopped) throw this.#withDoubt(asConnectorError(signal?.reason, signal), options);
        if (ended) return;
      }
    } finally {
      signal?.removeEventListener('abort', leave);
      isPaused = false;
      if (!fate.isStopped) await this.#endCursor(cursor, { ...options, writes: options.writes && !ended });
      endTurn();
    }
  }

  // Trouble with the end of a read neither hides an earlier error nor punishes who leaves early.
  async #endCursor(cursor: CommitAwareCursor, options: StatementOptions): Promise<void> {
    if (!this.#isWhole() || this.#stoppage.isUnderWay) return;
    try {
      await this.#answer(cursor.close(), options);
    } catch (error) {
      if (options.writes) throw error;
    }
  }

  /**
   * The whole result of `statement` as one batch. Throws what {@link run} throws. A write that is
   * given up is waited for a moment longer: its outcome is then known more often than not.
   */
  async all(statement: Statement, options: StatementOptions): Promise<RowBatch> {
    const result = await this.#result(statement, options);
    return { rows: result.rows, fields: fieldsOf(result), affectedRows: result.rowCount ?? 0 };
  }

  async #result(statement: Statement, options: StatementOptions): Promise<pg.QueryResult<Row>> {
    const sendable = encoded(statement);
    const endTurn = await this.#begin(options);
    try {
      const reply = send(this.#client, sendable, this.#context.prelude);
      return await this.#answer(reply, options).catch((error: unknown) => {
        if (!this.#isWhole()) throw error;
        return lateOutcome(reply, error, this.#context.clock);
      });
    } finally {
      endTurn();
    }
  }

  /**
   * Runs `work` between BEGIN and COMMIT. When it fails, the transaction is rolled back and the
   * first error is thrown, TRANSACTION_ABORTED where `work` kept an error of the server to itself; a
   * COMMIT whose answer is lost is OUTCOME_UNKNOWN.
   */
  async transaction<R>(
    work: () => Promise<R>,
    { signal }: { readonly signal?: AbortSignal | undefined },
  ): Promise<R> {
    const { sent } = this;
    try {
      await this.#control('begin', { writes: false, signal });
      this.#inTransaction = true;
      const result = await work();
      this.#inTransaction = false;
      // What has failed cannot be committed, whether or not the answer arrives.
      const writes = this.#client.getTransactionStatus() !== 'E';
      const { command } = await this.#control('commit', { writes, signal });
      // The server's answer where a statement has failed (PostgreSQL documentation, COMMIT); it is no error.
      if (command === 'ROLLBACK') throw new ConnectorError('TRANSACTION_ABORTED', ROLLED_BACK);
      return result;
    } catch (error) {
      this.#inTransaction = false;
      if (this.#sent > sent) await this.#leaveTransaction();
      throw error;
    }
  }

  async #leaveTransaction(): Promise<void> {
    if (this.#stoppage.isUnderWay) this.#stoppage.then(() => this.#rollBack());
    else if (this.#isWhole() && this.#client.getTransactionStatus() !== 'I') await this.#rollBack();
  }

  async #rollBack(): Promise<boolean> {
    await this.#answer(this.#client.query('rollback'), { writes: false }).catch(() => undefined);
    return this.#isWhole();
  }

  #control(text: string, options: StatementOptions): Promise<pg.QueryResult<Row>> {
    return this.#result({ text, values: [] }, { ...options, leavesTrace: false });
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

  /** Ends the session at once; what it still runs is stopped at the server. */
  destroy(): void {
    const isBusy = this.#isWhole() && !this.#stoppage.isUnderWay && this.#context.guard.isBusy;
    this.#breakWith(new ConnectorError('CONNECTOR_CLOSED', {}));
    if (isBusy) void stopStatement(this.#client, this.#context);
    this.#socket.destroy();
  }

  // Behind a pooler the session that was touched is another one already.
  #touch(): void {
    this.#isTouched = !this.#context.prelude;
  }

  /**
   * Waits until the session is free; from then on the statement counts as sent. In the driver's own
   * queue, a statement that was given up would stop the one before it, and run all the same.
   *
   * @returns what lets the next statement begin
   */
  async #begin(options: StatementOptions): Promise<() => void> {
    const { signal, leavesTrace = true } = options;
    const endTurn = await this.#turns.take((turn) => this.#inTime(turn, signal));
    try {
      await this.#stoppage.over(signal);
      await this.#hearNews();
      if (this.#broken) throw this.#broken;
      if (signal?.aborted === true) throw asConnectorError(signal.reason, signal);
    } catch (error) {
      endTurn();
      throw error;
    }
    this.#sent += 1;
    if (leavesTrace) this.#touch();
    return endTurn;
  }

  /** `awaited`, unless the limit of an answer is over, `signal` aborts, or the session breaks before. */
  async #inTime<T>(awaited: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { limit, broken, dispose } = this.#bounds(signal);
    try {
      return await Promise.race([awaited, aborted(limit), broken]);
    } catch (error) {
      throw asConnectorError(error, limit);
    } finally {
      dispose();
    }
  }

  // After a rest the end of the connection may have arrived, and wait to be read by the event loop:
  // a timer that starts a flow runs before it. What is not sent then may go elsewhere.
  async #hearNews(): Promise<void> {
    if (this.#context.clock.steadyMs() - this.#heardAtMs > RESTED_MS) await nextTurn();
  }

  #isWhole(): boolean {
    return this.#broken === undefined;
  }

  /** The reply, if it comes in time; if not, the statement is stopped, for which `wrapUp` says what it must. */
  async #answer<T>(reply: Promise<T>, options: StatementOptions, wrapUp = NOTHING): Promise<T> {
    const { limit, broken, dispose } = this.#bounds(options.signal);
    try {
      return await Promise.race([reply, aborted(limit), broken]);
    } catch (error) {
      if (!limit.aborted || error !== limit.reason) throw this.#failure(error, options);
      wrapUp();
      this.#stop();
      throw this.#withDoubt(asConnectorError(error, limit), options);
    } finally {
      this.#heardAtMs = this.#context.clock.steadyMs();
      dispose();
    }
  }

  /** What ends a wait before its time. */
  #bounds(signal: AbortSignal | undefined): {
    limit: AbortSignal;
    broken: Promise<never>;
    dispose: () => void;
  } {
    const { clock, timeoutMs } = this.#context;
    const expired = (): Error => new ConnectorError('OPERATION_TIMEOUT', { timeoutMs });
    const limit = deadline(clock, timeoutMs, expired, signal);
    // One registration per wait: a race with a promise that lives as long as the session would keep
    // something of every statement until its end.
    let interrupt: (error: Error) => void = () => undefined;
    const broken = new Promise<never>((_, reject) => {
      interrupt = reject;
    });
    this.#waiting.add(interrupt);
    const dispose = (): void => {
      this.#waiting.delete(interrupt);
      limit.dispose();
    };
    return { limit: limit.signal, broken, dispose };
  }

  #failure(error: unknown, options: StatementOptions): ConnectorError {
    if (isServerError(error) && !isFatal(error)) return this.#refusal(error);
    // The server ends the session: by its shutdown (class 57P), or by a limit of idle time, say.
    const reason = isServerError(error) ? statementError(error) : (this.#broken ?? this.#lost(error));
    this.#breakWith(reason);
    return this.#withDoubt(reason, options);
  }

  // What was not committed is rolled back by the loss of its session: that outcome is known.
  #withDoubt(reason: ConnectorError, { writes }: StatementOptions): ConnectorError {
    return writes && !this.#inTransaction ? inDoubt(reason) : reason;
  }

  #refusal(error: ServerError): ConnectorError {
    const refusal = statementError(error);
    if (refusal.code === 'READ_ONLY') this.#context.placement.refusedWrite();
    return refusal;
  }

  /** Nobody waits for the statement any more. */
  #stop(): void {
    const end = stopStatement(this.#client, this.#context).then((isIdle) => {
      if (!isIdle) this.destroy();
      return isIdle;
    });
    this.#stoppage.begin(end);
  }

  #loseWith(error: Error): void {
    if (this.#isWhole()) this.#context.placement.lost();
    this.#breakWith(error);
  }

  #breakWith(error: unknown): void {
    if (this.#broken) return;
    this.#broken = this.#context.guard.failure ?? (isConnectorError(error) ? error : this.#lost(error));
    for (const interrupt of [...this.#waiting]) interrupt(this.#broken);
    this.#pipeline?.lost(this.#broken);
    this.#onBroken?.();
  }

  #lost(error: unknown): ConnectorError {
    const { guard, endpoint } = this.#context;
    if (guard.failure) return guard.failure;
    if (isServerError(error)) return statementError(error);
    const { host, port } = endpoint;
    return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
  }
}

const ROLLED_BACK = {
  serverMessage: 'The transaction was rolled back, because a statement in it had failed.',
};
const CLOSE_GRACE_MS = 2_000;
const RESTED_MS = 1_000;
const NOTHING = (): void => undefined;
