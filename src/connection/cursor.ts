import type pg from 'pg';
import Cursor from 'pg-cursor';
import type { Field, Row, RowBatch } from './rows.js';

/** The next rows of `cursor`, at most `batchSize`. */
export function read(cursor: Cursor<Row>, batchSize: number): Promise<RowBatch> {
  return new Promise((resolve, reject) => {
    cursor.read(batchSize, (error: Error | undefined, rows, result: pg.QueryResult | undefined) => {
      if (error) {
        reject(error);
        return;
      }
      // The server has ended the portal with a batch that was full.
      if (!result) {
        resolve({ rows: [], fields: [], affectedRows: 0 });
        return;
      }
      // The command tag arrives with the end of the portal, that is with a batch that is not full.
      const ended = rows.length < batchSize;
      resolve({ rows, fields: fieldsOf(result), affectedRows: ended ? (result.rowCount ?? 0) : undefined });
    });
  });
}

/** Columns of `result`. */
export function fieldsOf({ fields }: pg.QueryResult): Field[] {
  return fields.map(({ name, dataTypeID }) => ({ name, typeOid: dataTypeID }));
}

/**
 * A cursor that also reports what fails after its last row: a deferred constraint or a
 * serialization failure is found when the implicit transaction commits, and pg-cursor 2.22 drops
 * that error because the portal is closed by then.
 */
export class CommitAwareCursor extends Cursor<Row> {
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
