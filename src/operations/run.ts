import type { Row, RowBatch } from '../connection/rows.js';
import type { Session } from '../connection/session.js';
import type { Statement } from '../sql/statement.js';
import type { PlannedOperation } from './index.js';
import type { Plan } from './operation.js';

/** The outcome of an operation as a whole. */
export interface Result {
  readonly rows: Row[];
  readonly fields: RowBatch['fields'];
  readonly affectedRows: number;
  /** There were more rows than `MaxRows` allows. */
  readonly truncated?: true;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ResultOptions extends RunOptions {
  /** Most rows of a result that is only read; undefined = no limit. */
  readonly maxRows?: number | undefined;
}

/** The statement of a plan that may share its session with others: a single one, which only reads and leaves no trace. */
export function shareableRead({ statements, mayWrite, leavesTrace }: Plan): Statement | undefined {
  return statements.length === 1 && !mayWrite && !leavesTrace ? statements[0] : undefined;
}

/** Runs `planned` in `session`: one statement by itself, several in one transaction. */
export async function runOperation(
  session: Session,
  planned: PlannedOperation,
  options: ResultOptions,
): Promise<Result> {
  const { statements, writes, mayWrite, leavesTrace } = planned.plan;
  const [only] = statements;
  if (options.maxRows !== undefined && only && statements.length === 1 && !writes)
    return runCapped(session, only, options.maxRows, {
      ...options,
      mayWrite,
      leavesTrace,
    });
  const result: { rows: Row[]; fields: RowBatch['fields']; affectedRows: number } = {
    rows: [],
    fields: [],
    affectedRows: 0,
  };
  const runAll = async (): Promise<void> => {
    for (const statement of statements) {
      const answer = await session.all(statement, {
        writes: mayWrite,
        leavesTrace,
        signal: options.signal,
      });
      for (const row of answer.rows) result.rows.push(row);
      result.fields = answer.fields;
      result.affectedRows += answer.affectedRows ?? 0;
    }
  };
  await (statements.length > 1 ? session.transaction(runAll, options) : runAll());
  return result;
}

// One row beyond the limit tells that there are more; leaving then ends the statement at the server.
async function runCapped(
  session: Session,
  statement: Statement,
  maxRows: number,
  { mayWrite, ...options }: RunOptions & Pick<Plan, 'mayWrite' | 'leavesTrace'>,
): Promise<Result> {
  for await (const batch of session.run(statement, {
    ...options,
    writes: mayWrite,
    batchSize: oneMore(maxRows),
  }))
    return capped(batch, maxRows);
  return { rows: [], fields: [], affectedRows: 0 };
}

/** The protocol counts rows in 31 bits (PostgreSQL documentation, section 54.7, Execute). */
const MOST_ROWS = 2_147_483_647;

/** How many rows tell whether there are more than `maxRows`. */
export function oneMore(maxRows: number): number {
  return Math.min(maxRows + 1, MOST_ROWS);
}

/** `batch`, of which `maxRows` + 1 rows were asked for, without the one that tells that there are more. */
export function capped({ rows, fields, affectedRows }: RowBatch, maxRows: number | undefined): Result {
  if (maxRows === undefined || rows.length <= maxRows)
    return { rows, fields, affectedRows: affectedRows ?? rows.length };
  return { rows: rows.slice(0, maxRows), fields, affectedRows: maxRows, truncated: true };
}

/**
 * The rows of `planned` in batches of at most `batchSize`. Several statements run to their end in
 * one transaction first, so that leaving early does not undo them.
 */
export async function* streamOperation(
  session: Session,
  planned: PlannedOperation,
  options: RunOptions & { readonly batchSize: number },
): AsyncGenerator<Row[], void, undefined> {
  const { statements, mayWrite, leavesTrace } = planned.plan;
  if (statements.length > 1) {
    const { rows } = await runOperation(session, planned, options);
    for (let at = 0; at < rows.length; at += options.batchSize) yield rows.slice(at, at + options.batchSize);
    return;
  }
  for (const statement of statements) {
    for await (const { rows } of session.run(statement, {
      ...options,
      writes: mayWrite,
      leavesTrace,
    })) {
      if (rows.length > 0) yield rows;
    }
  }
}
