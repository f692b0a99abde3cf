import { ConnectorError } from '../errors.js';
import { isSendable, LONGEST_NAME_BYTES, UNSENDABLE } from '../server-text.js';

type NameKind = 'schema' | 'table' | 'column' | 'role';

/**
 * `name` as a quoted identifier, whatever it holds.
 *
 * @throws ConnectorError IDENTIFIER_INVALID when it is empty, over 63 bytes of UTF-8, or holds
 *   U+0000 or half of a surrogate pair
 */
export function quoteIdentifier(name: string, kind: NameKind): string {
  requireName(name, kind);
  return `"${name.replaceAll('"', '""')}"`;
}

/** Throws IDENTIFIER_INVALID where {@link quoteIdentifier} does. */
export function requireName(name: string, kind: NameKind): void {
  const problem = problemOf(name);
  if (problem !== undefined) throw new ConnectorError('IDENTIFIER_INVALID', { kind, problem });
}

/** `schema` (when given) and `table`, quoted; a dot inside a name is part of that name. */
export function quoteTable(table: string, schema?: string): string {
  const name = quoteIdentifier(table, 'table');
  return schema === undefined ? name : `${quoteIdentifier(schema, 'schema')}.${name}`;
}

/** `value` as a string literal for statements that take no parameters, such as those of `role-sql`. */
export function quoteLiteral(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function problemOf(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (!isSendable(name)) return `it ${UNSENDABLE}`;
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES)
    return `it is longer than ${String(LONGEST_NAME_BYTES)} bytes`;
  return undefined;
}
