import type { Duplex } from 'node:stream';
import { ConnectorError } from '../errors.js';
import { PROPERTIES, type Property } from '../settings/properties.js';
import { optionsChanged } from './foreign-startup.js';
import { LoginStream } from './login-stream.js';
import type { DriverOptions } from './driver-options.js';
import type { LoginParts } from './login.js';
import { isSingle } from './targets.js';
import { foreignStartupOptions } from './session-settings.js';

/**
 * The options whose streams log in with `login`. No I/O.
 *
 * @throws ConnectorError PROPERTY_INVALID for several hosts: a pool of others knows one; and for
 *   what a session begins with, where a pooler in transaction mode does not take it
 */
export function createDriverOptions(login: LoginParts): DriverOptions {
  requireOneHost(login);
  requireOwnSession(login);
  const { settings, tokens } = login;
  const { host, port, database, user, applicationName } = settings.server;
  let connections = 0;
  const events = {
    onConnecting(): void {
      connections += 1;
    },
    // Nobody tells that a pool has ended; while it has no connection it needs no token ahead of time.
    onClosed(): void {
      connections -= 1;
      if (connections === 0) tokens?.rest();
    },
  };
  const stream = (config?: { readonly ssl?: unknown }): Duplex => {
    const misuse = (config?.ssl ?? false) === false ? undefined : 'its ssl is not false';
    // It has what the driver uses of one.
    return new LoginStream(login, events, misuse) as unknown as Duplex;
  };
  return {
    host,
    port,
    database,
    user,
    password: passwordOf(login),
    ssl: false,
    stream,
    application_name: applicationName,
    options: foreignStartupOptions(settings.server),
    enableChannelBinding: true,
  };
}

function requireOneHost({ settings: { server } }: LoginParts): void {
  if (isSingle(server)) return;
  const problems =
    'Server must name one host, and TargetSessionAttrs be any: another pool does not look for servers.';
  throw new ConnectorError(
    'PROPERTY_INVALID',
    { problems },
    { properties: ['Server', 'TargetSessionAttrs'] },
  );
}

// The connector's own pool says these with every statement; statements of others go as they are.
function requireOwnSession({ settings: { server } }: LoginParts): void {
  if (server.poolerMode !== 'transaction') return;
  const asked = {
    Readonly: server.readOnly,
    SearchPath: server.searchPath !== undefined,
    StatementTimeout: server.statementTimeoutMs !== 0,
    TimeZone: server.timeZone !== DEFAULT_TIME_ZONE,
  };
  const properties = Object.entries(asked).flatMap(([name, isAsked]) => (isAsked ? [name] : []));
  if (properties.length === 0) return;
  const problems = `With PoolerMode=TRANSACTION another pool cannot give its sessions ${properties.join(', ')}: leave them out.`;
  throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties });
}

const DEFAULT_TIME_ZONE = (PROPERTIES as readonly Property[]).find(
  ({ name }) => name === 'TimeZone',
)?.default;

/** What the password function sees of the client that calls it. */
interface Driver {
  password: unknown;
  readonly connection?: { readonly stream?: { destroy?: (error: ConnectorError) => void } };
  readonly connectionParameters?: { password: unknown };
}

// A token is given by the stream itself, a password only to a client whose stream is ours and has
// checked the server.
function passwordOf({ settings: { identity } }: LoginParts): () => Promise<string> {
  return async function password(this: Driver | undefined) {
    const stream = this?.connection?.stream;
    if (this && identity.kind === 'password' && stream instanceof LoginStream && stream.isLoggingIn) {
      for (const end of ['ready', 'close']) stream.once(end, () => forgetPassword(this, password));
      return identity.password.reveal();
    }
    const error = optionsChanged('it asks for the secret elsewhere than in a login over stream');
    // The driver would leave the connection open.
    stream?.destroy?.(error);
    throw error;
  };
}

// The driver keeps the password for the life of the client, also after a login that failed; nothing needs it any more.
function forgetPassword(client: Driver, password: unknown): void {
  for (const holder of [client, client.connectionParameters]) if (holder) holder.password = password;
}
