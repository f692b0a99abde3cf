import type { Statement } from '../sql/statement.js';
import type { RowBatch } from './rows.js';

/** How one statement runs. */
export interface StatementOptions {
  /** Whether repeating it could do harm: decides what a lost answer means. */
  readonly writes: boolean;
  /** Whether something of it may stay in the session, which is then reset before it is lent again; true by default. */
  readonly leavesTrace?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BatchOptions extends StatementOptions {
  /** Most rows of one batch. */
  readonly batchSize: number;
}

/** A logged-in connection to the database. It runs one statement at a time, the others wait for their turn. */
export interface Session {
  /** Process id of the server's backend, as in pg_stat_activity. */
  readonly id: number;
  /** Whether it may run another statement: connected, and in no transaction. */
  readonly usable: boolean;
  /** Statements that were handed to the server; unchanged means that certainly nothing was sent. */
  readonly sent: number;
  /** Runs `statement` and yields its rows in batches; the last one carries the count. */
  run(statement: Statement, options: BatchOptions): AsyncGenerator<RowBatch, void, undefined>;
  /** The whole result of `statement` as one batch. */
  all(statement: Statement, options: StatementOptions): Promise<RowBatch>;
  /** Runs `work` between BEGIN and COMMIT, and rolls back when it fails. */
  transaction<R>(work: () => Promise<R>, options: { readonly signal?: AbortSignal | undefined }): Promise<R>;
  /** Ends it in good order. Idempotent. */
  close(): Promise<void>;
}
