import type { ServerSettings } from '../settings/settings.js';

/** A setting of the server and its value, both as they are meant. */
export type SessionSetting = readonly [name: string, value: string];

/**
 * Every setting that changes the form of a result. They are said by us, where they outrank the
 * defaults of role and database.
 */
const FORM_OF_RESULTS: readonly SessionSetting[] = [
  ['DateStyle', 'ISO'],
  ['IntervalStyle', 'iso_8601'],
  ['extra_float_digits', '1'],
  ['bytea_output', 'hex'],
  ['standard_conforming_strings', 'on'],
];

/** What the properties ask for. */
function askedSettings({ timeZone, searchPath, statementTimeoutMs }: ServerSettings): SessionSetting[] {
  return [
    ['TimeZone', timeZone],
    ...(searchPath === undefined ? [] : ([['search_path', searchPath]] as const)),
    ...(statementTimeoutMs === 0 ? [] : ([['statement_timeout', String(statementTimeoutMs)]] as const)),
  ];
}

/**
 * The `options` of the startup packet: what the session begins with, and returns to by `RESET` and
 * `DISCARD ALL`. Undefined where a pooler stands between, which does not take them.
 */
export function startupOptions(server: ServerSettings): string | undefined {
  return asOptions(server, [...askedSettings(server), ...FORM_OF_RESULTS]);
}

/** The same for sessions whose results others read: what the properties ask for, and no more. */
export function foreignStartupOptions(server: ServerSettings): string | undefined {
  return asOptions(server, askedSettings(server));
}

function asOptions(
  { poolerMode, readOnly }: ServerSettings,
  settings: readonly SessionSetting[],
): string | undefined {
  if (poolerMode === 'transaction') return undefined;
  const writing: readonly SessionSetting[] = readOnly ? [['default_transaction_read_only', 'on']] : [];
  return [...settings, ...writing].map(([name, value]) => `-c ${name}=${escaped(value)}`).join(' ');
}

// The server splits the text at blanks and takes a backslash for an escape (PostgreSQL source, pg_split_opts).
function escaped(value: string): string {
  return value.replace(/[\\\s]/g, '\\$&');
}

/**
 * What goes with every statement where the server's session changes from transaction to
 * transaction. Undefined where the session keeps its settings.
 */
export function preludeOf(server: ServerSettings): readonly SessionSetting[] | undefined {
  if (server.poolerMode !== 'transaction') return undefined;
  return [
    ...askedSettings(server),
    ...FORM_OF_RESULTS,
    ...(server.readOnly ? ([['transaction_read_only', 'on']] as const) : []),
  ];
}
