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

/** Parts of pg-cursor that its types leave out. */
interface Inner {
  state: string;
  _cb: ((error: Error) => void) | null;
  handleError(error: Error): void;
  handlePortalSuspended(): void;
  _closePortal(): void;
}

const BASE = Cursor.prototype as unknown as Inner;

/**
 * A cursor that also reports what fails after its last row: a deferred constraint or a
 * serialization failure is found when the implicit transaction commits, and pg-cursor 2.22 drops
 * that error because the portal is closed by then. It may be closed while rows are on their way:
 * once it has sent its Sync it sends no second one, whose ReadyForQuery would be taken for the end
 * of the next statement.
 */
export class CommitAwareCursor extends Cursor<Row> {
  #isEnding = false;

  _closePortal(): void {
    BASE._closePortal.call(this);
    this.#isEnding = true;
  }

  handlePortalSuspended(): void {
    BASE.handlePortalSuspended.call(this);
    if (this.#isEnding) this.#inner.state = 'done';
  }

  handleError(error: Error): void {
    const { _cb: waiting } = this.#inner;
    if (!this.#isEnding) {
      BASE.handleError.call(this, error);
      return;
    }
    this.#inner._cb = null;
    waiting?.(error);
  }

  get #inner(): Inner {
    return this as unknown as Inner;
  }
}
