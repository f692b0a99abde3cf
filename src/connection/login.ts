import pg from 'pg';
import type { TLSSocket } from 'node:tls';
import type { TokenSource } from '../auth/token-source.js';
import type { AccessToken } from '../auth/access-token.js';
import { startBudget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import type { Settings } from '../settings/settings.js';
import { Guard } from './guard.js';
import { isLoginRefusal, isServerError, loginError } from './pg-error.js';
import { PgSession } from './pg-session.js';
import { openTransport, within, type Wait } from './transport.js';
import { LOSSLESS_TYPES } from './value-types.js';

/** What opening a session takes. */
export interface LoginOptions {
  readonly settings: Settings;
  readonly tokens: TokenSource;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/**
 * A session logged in with the token of the moment. When the server refuses a token that was
 * already in use (SQLSTATE class 28), that token is replaced by a new one and the login is tried
 * once more; a refusal of a new token is final.
 *
 * @throws ConnectorError of the token request, of the transport, or TOKEN_REFUSED, ROLE_UNKNOWN,
 *   LOGIN_REFUSED, TOKEN_LOGIN_NOT_OFFERED, DATABASE_UNKNOWN, SERVER_BUSY, SERVER_STARTING
 */
export async function openSession(options: LoginOptions, signal?: AbortSignal): Promise<PgSession> {
  const { tokens, clock, diagnostics } = options;
  const startedAt = clock.steadyMs();
  try {
    const token = await tokens.get(signal);
    const session = await logInWith(token, options, signal).catch(async (error: unknown) => {
      const fresh = token.obtainedAtMs >= startedAt;
      if (!isLoginRefusal(error) || fresh || !tokens.reject(token)) throw error;
      return logInWith(await tokens.get(signal), options, signal);
    });
    const { user } = options.settings.server;
    diagnostics.report('session.opened', {
      id: session.id,
      user,
      ms: Math.round(clock.steadyMs() - startedAt),
    });
    return session;
  } catch (error) {
    if (isConnectorError(error))
      diagnostics.report('login.failed', { code: error.code, message: error.message });
    throw error;
  }
}

async function logInWith(
  token: AccessToken,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<PgSession> {
  const { settings, clock } = options;
  const wait: Wait = { clock, budget: startBudget(clock, settings.timeoutMs), signal };
  return logIn(await openTransport(settings.server, wait), token, settings, wait);
}

/** Logs in over an open, verified `socket`; destroys it on failure. */
export async function logIn(
  socket: TLSSocket,
  token: AccessToken,
  settings: Settings,
  wait: Wait,
): Promise<PgSession> {
  const { server, timeoutMs } = settings;
  const client = newClient(socket, token, settings);
  client.on('error', () => undefined); // what happens after a failed login interests nobody
  try {
    await within<undefined>(wait, server, 'the login', (settle) => {
      settle.onAbort(() => socket.destroy());
      client.connect().then(
        () => {
          settle.resolve(undefined);
        },
        (error: unknown) => {
          settle.reject(error as Error);
        },
      );
    });
    forgetPassword(client);
    return new PgSession(client, socket, { endpoint: server, clock: wait.clock, timeoutMs });
  } catch (error) {
    socket.destroy();
    throw isServerError(error) ? loginError(error, server) : lostDuringLogin(error, server, wait);
  }
}

function lostDuringLogin(error: unknown, { host, port }: Settings['server'], { signal }: Wait): unknown {
  if (isConnectorError(error) || (signal?.aborted === true && error === signal.reason)) return error;
  return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
}

// Every setting that changes the form of a result is said at login, where it outranks the
// defaults of role and database.
const SESSION_SETTINGS = [
  'TimeZone=UTC',
  'DateStyle=ISO',
  'IntervalStyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'standard_conforming_strings=on',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

// Every field that the driver would otherwise take from a PG* variable is set.
function newClient(socket: TLSSocket, token: AccessToken, { server }: Settings): pg.Client {
  const stream = new Guard(socket, server);
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: () => token.value.reveal(),
    application_name: server.applicationName,
    options: SESSION_SETTINGS,
    ssl: false,
    sslnegotiation: 'postgres',
    connectionTimeoutMillis: 0,
    stream: () => stream,
    types: LOSSLESS_TYPES,
  } as unknown as pg.ClientConfig);
  Object.assign(parametersOf(client), { replication: undefined });
  return client;
}

// The driver keeps the password of a login for the life of the client; nothing needs it any more.
function forgetPassword(client: pg.Client): void {
  for (const holder of [client, parametersOf(client)]) Object.assign(holder, { password: null });
}

function parametersOf(client: pg.Client): object {
  return (client as unknown as { connectionParameters: object }).connectionParameters;
}
