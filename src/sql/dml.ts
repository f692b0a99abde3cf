import { ConnectorError } from '../errors.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import { MOST_PARAMETERS, statement, type Statement } from './statement.js';

/**
 * A row to write: column name to value. A column that a row leaves out (or gives as undefined) gets
 * its default, or stays as it is where an upsert updates.
 */
export type InputRow = Readonly<Record<string, unknown>>;

/** Where and what to insert. */
export interface InsertInput {
  readonly table: string;
  readonly schema?: string;
  readonly rows: readonly InputRow[];
  /** Columns to give back of each written row. */
  readonly returning?: readonly string[];
}

/** An insert that updates the row when one with the same `conflictColumns` exists. */
export interface UpsertInput extends InsertInput {
  readonly conflictColumns: readonly string[];
  /** Leave rows alone that would not change (their columns need an equality operator: json has none, jsonb does). */
  readonly skipUnchanged?: boolean;
}

/**
 * `INSERT … VALUES …` statements for all rows, as few as the limit of parameters allows.
 * Columns are those of all rows together; none for no rows.
 */
export function insertStatements(operation: string, input: InsertInput): Statement[] {
  return writeStatements(operation, input, () => '');
}

/**
 * `INSERT … ON CONFLICT (…) DO UPDATE` statements for all rows (PostgreSQL documentation, INSERT).
 * Rows with the same columns share statements; a column is updated only by rows that give it.
 */
export function upsertStatements(operation: string, input: UpsertInput): Statement[] {
  const { conflictColumns, skipUnchanged = false } = input;
  const conflict = (columns: readonly string[]): string => {
    const absent = conflictColumns.filter((column) => !columns.includes(column));
    if (absent.length > 0) throw invalid(operation, `a row lacks the conflict column ${absent.join(', ')}`);
    const changed = columns.filter((column) => !conflictColumns.includes(column)).map(quoteColumn);
    const target = `on conflict (${conflictColumns.map(quoteColumn).join(', ')})`;
    if (changed.length === 0) return ` ${target} do nothing`;
    const assignments = changed.map((column) => `${column} = excluded.${column}`).join(', ');
    const condition = skipUnchanged ? ` where ${differs(changed)}` : '';
    return ` ${target} do update set ${assignments}${condition}`;
  };
  return byColumns(input.rows).flatMap((rows) => writeStatements(operation, { ...input, rows }, conflict));
}

function byColumns(rows: readonly InputRow[]): InputRow[][] {
  const groups = new Map<string, InputRow[]>();
  for (const row of rows) {
    const columns = columnsOf(row).sort().join('\0');
    const group = groups.get(columns);
    if (group) group.push(row);
    else groups.set(columns, [row]);
  }
  return [...groups.values()];
}

function columnsOf(row: InputRow): string[] {
  return Object.keys(row).filter((column) => row[column] !== undefined);
}

// The table is aliased so that its name need not be repeated with its schema.
function differs(columns: readonly string[]): string {
  const of = (table: string): string => columns.map((column) => `${table}.${column}`).join(', ');
  return `(${of('target')}) is distinct from (${of('excluded')})`;
}

function writeStatements(
  operation: string,
  input: InsertInput,
  conflict: (columns: readonly string[]) => string,
): Statement[] {
  const columns = [...new Set(input.rows.flatMap(columnsOf))];
  if (input.rows.length === 0) return [];
  if (columns.length === 0) throw invalid(operation, 'the rows have no columns');
  const into = `insert into ${quoteTable(input.table, input.schema)} as target (${columns.map(quoteColumn).join(', ')})`;
  const tail = conflict(columns) + returningClause(input.returning);
  return chunks(input.rows, Math.max(1, Math.floor(MOST_PARAMETERS / columns.length))).map((rows) => {
    const { tuples, values } = tuplesOf(rows, columns);
    return statement(operation, `${into} values ${tuples}${tail}`, values);
  });
}

function returningClause(returning: readonly string[] = []): string {
  return returning.length === 0
    ? ''
    : ` returning ${returning.map((name) => `target.${quoteColumn(name)}`).join(', ')}`;
}

function tuplesOf(
  rows: readonly InputRow[],
  columns: readonly string[],
): { tuples: string; values: unknown[] } {
  const values: unknown[] = [];
  const tuples = rows.map((row) => {
    const places = columns.map((column) => {
      const value = Object.hasOwn(row, column) ? row[column] : undefined;
      if (value === undefined) return 'default';
      values.push(value);
      return `$${String(values.length)}`;
    });
    return `(${places.join(', ')})`;
  });
  return { tuples: tuples.join(', '), values };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}

function quoteColumn(name: string): string {
  return quoteIdentifier(name, 'column');
}

function invalid(operation: string, problems: string): ConnectorError {
  return new ConnectorError('OPERATION_INPUT_INVALID', { operation, problems });
}
