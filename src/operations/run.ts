import type { Row, RowBatch } from '../connection/rows.js';
import type { Session } from '../connection/session.js';
import type { PlannedOperation } from './index.js';

/** The outcome of an operation as a whole. */
export interface Result {
  readonly rows: Row[];
  readonly fields: RowBatch['fields'];
  readonly affectedRows: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Runs `planned` in `session`: one statement by itself, several in one transaction. */
export async function runOperation(
  session: Session,
  planned: PlannedOperation,
  options: RunOptions,
): Promise<Result> {
  const { statements } = planned.plan;
  const result: { rows: Row[]; fields: RowBatch['fields']; affectedRows: number } = {
    rows: [],
    fields: [],
    affectedRows: 0,
  };
  const runAll = async (): Promise<void> => {
    for (const statement of statements) {
      const answer = await session.all(statement, { writes: planned.plan.writes, signal: options.signal });
      for (const row of answer.rows) result.rows.push(row);
      result.fields = answer.fields;
      result.affectedRows += answer.affectedRows ?? 0;
    }
  };
  await (statements.length > 1 ? session.transaction(runAll, options) : runAll());
  return result;
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
  const { statements } = planned.plan;
  if (statements.length > 1) {
    const { rows } = await runOperation(session, planned, options);
    for (let at = 0; at < rows.length; at += options.batchSize) yield rows.slice(at, at + options.batchSize);
    return;
  }
  for (const statement of statements) {
    for await (const { rows } of session.run(statement, { ...options, writes: planned.plan.writes })) {
      if (rows.length > 0) yield rows;
    }
  }
}
