import { LONGEST_NAME_BYTES } from '../server-text.js';
import type { LoginChoice } from './auth-scheme.js';
import { hostsOf, targetOf, type ServerHost, type TargetServer } from './hosts.js';
import type { ValueReader } from './value-reader.js';

/** How the connection is encrypted and the server verified; modes as libpq has them. */
export interface TlsSettings {
  /** `require` encrypts without looking at the certificate, `verify-ca` does not look at its name. */
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** After an SSLRequest, or at once. */
  readonly negotiation: 'postgres' | 'direct';
  /** PEM text of the only authorities to trust, or undefined for those of Node.js. */
  readonly ca: string | undefined;
}

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
    applicationName: values.checked('ApplicationName', isPrintable, NO_CONTROL),
    timeZone: values.checked(
      'TimeZone',
      isTimeZone,
      'must be the name of a time zone, such as Europe/Berlin',
    ),
    readOnly: values.boolean('Readonly') === true,
    searchPath: values.optionalChecked('SearchPath', isPrintable, NO_CONTROL),
    statementTimeoutMs: values.integer('StatementTimeout'),
    poolerMode: values.choice('PoolerMode') === 'TRANSACTION' ? 'transaction' : 'none',
  };
}

function databaseOf(values: ValueReader, user: string): string {
  const database = values.optionalChecked('Database', isServerName, SERVER_NAME) ?? user;
  values.count('Database', database);
  return database;
}

const NO_CONTROL = 'must not hold control characters';
const SERVER_NAME = `must be at most ${String(LONGEST_NAME_BYTES)} bytes long and not hold control characters`;

// The server cuts longer names without a sign, and would then mean another role or database.
function isServerName(text: string): boolean {
  return Buffer.byteLength(text) <= LONGEST_NAME_BYTES && isPrintable(text);
}

function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text);
}

// It travels among the options of the login, where a blank would begin the next one.
function isTimeZone(text: string): boolean {
  return /^[A-Za-z0-9+:/_-]{1,60}$/.test(text);
}

function tlsOf(values: ValueReader, login: LoginChoice): TlsSettings {
  const mode = login.scheme === 'Password' ? modeForPassword(values) : modeForToken(values);
  if (mode === 'disable') values.idle(['SSLCA', 'SSLNegotiation'], 'with SSLMode disable');
  return {
    mode,
    negotiation: values.choice('SSLNegotiation') === 'direct' ? 'direct' : 'postgres',
    ca: values.pem('SSLCA'),
  };
}

function modeForPassword(values: ValueReader): TlsSettings['mode'] {
  const mode = values.choice('SSLMode');
  const encrypted = values.boolean('UseSSL') !== false;
  if (!values.has('SSLMode') && !encrypted) values.count('SSLMode', 'disable', 'from UseSSL');
  if (!values.has('UseSSL') && mode === 'disable') values.count('UseSSL', 'false', 'from SSLMode');
  if (!values.has('SSLMode')) return encrypted ? 'verify-full' : 'disable';
  if (values.has('UseSSL') && encrypted === (mode === 'disable'))
    values.conflict(['UseSSL', 'SSLMode'], `UseSSL and SSLMode=${mode ?? ''} contradict each other.`);
  if (mode === 'require' && values.has('SSLCA')) return modeForAuthorities(values);
  if (mode !== 'prefer' && mode !== 'allow') return (mode ?? 'verify-full') as TlsSettings['mode'];
  values.readAs('SSLMode', 'verify-full', ': it would fall back to no encryption without a word');
  return 'verify-full';
}

// As libpq: who names authorities wants them looked at. With `system` it takes no weaker mode than verify-full.
function modeForAuthorities(values: ValueReader): 'verify-ca' | 'verify-full' {
  const mode = values.text('SSLCA') === 'system' ? 'verify-full' : 'verify-ca';
  values.readAs('SSLMode', mode, ': with SSLCA the certificate of the server is verified, as libpq does');
  return mode;
}

function modeForToken(values: ValueReader): 'verify-full' {
  const mode = values.choice('SSLMode');
  if (values.boolean('UseSSL') === false)
    values.problem('UseSSL', 'must be true: a token is sent over verified TLS only');
  if (mode === 'disable')
    values.problem('SSLMode', 'must not be disable: a token is sent over verified TLS only');
  else if (mode !== undefined && mode !== 'verify-full')
    values.readAs('SSLMode', 'verify-full', ': a token is sent to a verified server only');
  return 'verify-full';
}
