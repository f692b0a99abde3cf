import { LONGEST_NAME_BYTES } from '../server-text.js';
import type { LoginChoice } from './auth-scheme.js';
import { hostsOf, targetOf, type ServerHost, type TargetServer } from './hosts.js';
import { isPrintable, PRINTABLE } from './plain-text.js';
import { tlsOf, type TlsSettings } from './tls.js';
import type { ValueReader } from './value-reader.js';
import { wayOf, type WaySettings } from './way.js';

/** The server, the database, and what a session is like. */
export interface ServerSettings {
  /** Where to log in, in the order in which it is tried; at least one. */
  readonly hosts: readonly ServerHost[];
  /** The first of them, as the next. */
  readonly host: string;
  readonly port: number;
  readonly target: TargetServer;
  readonly database: string;
  readonly user: string;
  readonly tls: TlsSettings;
  readonly way: WaySettings;
  readonly applicationName: string;
  readonly timeZone: string;
  readonly readOnly: boolean;
  /** As the server reads `search_path`; undefined leaves it to the server. */
  readonly searchPath: string | undefined;
  /** Limit that the server sets to each statement, in milliseconds; 0 leaves it to the server. */
  readonly statementTimeoutMs: number;
  /** Whether a pooler stands between that gives every transaction another session of the server. */
  readonly poolerMode: 'none' | 'transaction';
}

export function serverOf(values: ValueReader, login: LoginChoice): ServerSettings {
  const user = values.checked('User', isServerName, SERVER_NAME);
  const hosts = hostsOf(values);
  const [{ host, port } = { host: '', port: 0 }] = hosts;
  return {
    hosts,
    host,
    port,
    target: targetOf(values),
    database: databaseOf(values, user),
    user,
    tls: tlsOf(values, login),
    way: wayOf(values),
    applicationName: values.checked('ApplicationName', isPrintable, PRINTABLE),
    timeZone: values.checked(
      'TimeZone',
      isTimeZone,
      'must be the name of a time zone, such as Europe/Berlin',
    ),
    readOnly: values.boolean('Readonly') === true,
    searchPath: values.optionalChecked('SearchPath', isPrintable, PRINTABLE),
    statementTimeoutMs: values.integer('StatementTimeout'),
    poolerMode: values.choice('PoolerMode') === 'TRANSACTION' ? 'transaction' : 'none',
  };
}

function databaseOf(values: ValueReader, user: string): string {
  const database = values.optionalChecked('Database', isServerName, SERVER_NAME) ?? user;
  values.count('Database', database);
  return database;
}

const SERVER_NAME = `must be at most ${String(LONGEST_NAME_BYTES)} bytes long and not hold control characters`;

// The server cuts longer names without a sign, and would then mean another role or database.
function isServerName(text: string): boolean {
  return Buffer.byteLength(text) <= LONGEST_NAME_BYTES && isPrintable(text);
}

// It travels among the options of the login, where a blank would begin the next one.
function isTimeZone(text: string): boolean {
  return /^[A-Za-z0-9+:/_-]{1,60}$/.test(text);
}
