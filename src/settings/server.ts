import { LONGEST_NAME_BYTES } from '../server-text.js';
import type { LoginChoice } from './auth-scheme.js';
import { hostNameOf } from './host-name.js';
import { tlsOf, type TlsSettings } from './tls.js';
import type { ValueReader } from './value-reader.js';
import { wayOf, type WaySettings } from './way.js';

/** The server, the database, and what a session is like. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly tls: TlsSettings;
  readonly way: WaySettings;
  readonly applicationName: string;
  readonly timeZone: string;
  readonly readOnly: boolean;
}

export function serverOf(values: ValueReader, login: LoginChoice): ServerSettings {
  const user = values.checked('User', isServerName, SERVER_NAME);
  return {
    host: hostNameOf(values, 'Server'),
    port: values.integer('Port'),
    database: databaseOf(values, user),
    user,
    tls: tlsOf(values, login),
    way: wayOf(values),
    applicationName: values.checked('ApplicationName', isPrintable, NO_CONTROL),
    timeZone: values.checked(
      'TimeZone',
      isTimeZone,
      'must be the name of a time zone, such as Europe/Berlin',
    ),
    readOnly: values.boolean('Readonly') === true,
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
