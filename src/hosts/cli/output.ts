import type { ConnectorError } from '../../index.js';

export const FORMATS = ['json', 'ndjson', 'csv', 'table'] as const;

export type Format = (typeof FORMATS)[number];

type Cells = Readonly<Record<string, unknown>>;

/** `value` as indented JSON; bytes as PostgreSQL writes them (`\x…`), big integers as text. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, jsonValue, 2)}\n`;
}

interface RowsOptions {
  /** Those of the first row unless they are given. */
  readonly columns?: readonly string[];
  /** Most characters of a cell in a table, by column. */
  readonly longest?: Readonly<Record<string, number>>;
}

/** `rows` in a format other than json. */
export function renderRows(
  rows: readonly Cells[],
  format: Exclude<Format, 'json'>,
  { columns = Object.keys(rows[0] ?? {}), longest }: RowsOptions = {},
): string {
  if (format === 'ndjson') return rows.map((row) => `${JSON.stringify(row, jsonValue)}\n`).join('');
  if (columns.length === 0) return '';
  return format === 'csv' ? csv(columns, rows) : textTable(columns, rows, longest);
}

/** Columns padded to their widest cell, with a rule below the heading. */
export function textTable(
  columns: readonly string[],
  rows: readonly Cells[],
  longest: RowsOptions['longest'] = {},
): string {
  if (columns.length === 0) return '';
  const text = (row: Cells, column: string): string => shortened(oneLine(row[column]), longest[column]);
  const lines = [columns, ...rows.map((row) => columns.map((column) => text(row, column)))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const write = (cells: readonly string[]): string =>
    `${cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()}\n`;
  const [head = [], ...body] = lines;
  return write(head) + write(widths.map((width) => '-'.repeat(width))) + body.map(write).join('');
}

/** An error for a person: what happened, what to do next, and what to quote to an administrator. */
export function renderError(error: ConnectorError): string {
  const facts = [
    error.code,
    error.type,
    error.sqlState === undefined ? undefined : `SQLSTATE ${error.sqlState}`,
  ]
    .filter(Boolean)
    .join(', ');
  const correlation = error.correlationId === undefined ? '' : `  Correlation id: ${error.correlationId}\n`;
  return `Error: ${error.message} (${facts})\n  What to do: ${error.cure}\n${correlation}`;
}

// RFC 4180; a cell that a spreadsheet would run as a formula is data here and stays as it is.
function csv(columns: readonly string[], rows: readonly Cells[]): string {
  const quote = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells: readonly string[]): string => `${cells.map(quote).join(',')}\r\n`;
  return line(columns) + rows.map((row) => line(columns.map((column) => cell(row[column])))).join('');
}

function shortened(text: string, most = Infinity): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function oneLine(value: unknown): string {
  return cell(value).replace(/\s*[\r\n]+\s*/g, ' ');
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? hexOf(value) : JSON.stringify(value, jsonValue);
}

// Bytes have a toJSON of their own that comes first, so they are looked at in their holder.
function jsonValue(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Readonly<Record<string, unknown>>)[key];
  if (original instanceof Uint8Array) return hexOf(original);
  return typeof value === 'bigint' ? String(value) : value;
}

function hexOf(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString('hex')}`;
}
