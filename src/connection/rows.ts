/** A row: column name to value. */
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
