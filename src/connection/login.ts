import pg from 'pg';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { AccessToken } from '../auth/access-token.js';
import type { TokenSource } from '../auth/token-source.js';
import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import type { ServerSettings, Settings } from '../settings/settings.js';
import { tlsFacts } from '../tls-facts.js';
import { Guard } from './guard.js';
import type { HostRoles, Placement } from './host-roles.js';
import { proofOf, secretOf, tokenInTime } from './login-proof.js';
import { isLoginRefusal, isServerError, loginError } from './pg-error.js';
import { PgSession } from './pg-session.js';
import type { Reconnection } from './reconnection.js';
import { reportedRole, watchRole } from './server-role.js';
import { preludeOf, startupOptions } from './session-settings.js';
import { openAtTarget } from './targets.js';
import { connectionLost, openTransport, within, type Wait } from './transport.js';
import { LOSSLESS_TYPES } from './value-types.js';

/** What a login takes. */
export interface LoginParts {
  readonly settings: Settings;
  /** Undefined for a login by password. */
  readonly tokens: TokenSource | undefined;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/** What opening a session takes. */
export interface LoginOptions extends LoginParts {
  /** What is known of the hosts. */
  readonly roles: HostRoles;
  readonly reconnection: Reconnection;
}

/**
 * A session logged in with the token of the moment, or with the password, at the first host that
 * fits; attempts that fail are repeated as the reconnection strategy says. When a server refuses a
 * token that was already in use (SQLSTATE class 28), that token is replaced by a new one and the
 * login is tried once more; a refusal of a new token, and of a password, is final.
 *
 * @throws ConnectorError of the token request, of the transport, or TOKEN_REFUSED, PASSWORD_REFUSED,
 *   ROLE_UNKNOWN, LOGIN_REFUSED, TOKEN_LOGIN_NOT_OFFERED, PASSWORD_LOGIN_NOT_OFFERED,
 *   DATABASE_UNKNOWN, SERVER_BUSY, SERVER_STARTING, NO_SERVER_FITS, RECONNECTION_EXHAUSTED
 */
export async function openSession(options: LoginOptions, signal?: AbortSignal): Promise<PgSession> {
  const { tokens, settings, reconnection, clock, diagnostics } = options;
  const startedAt = clock.steadyMs();
  try {
    const session = await reconnection.open(
      () => (tokens ? logInByToken(tokens, options, signal) : logInWith(undefined, options, signal)),
      signal,
    );
    const { user } = settings.server;
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

async function logInByToken(
  tokens: TokenSource,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<PgSession> {
  const startedAt = options.clock.steadyMs();
  const token = await tokenInTime(tokens, options, signal);
  return logInWith(token, options, signal).catch(async (error: unknown) => {
    const fresh = token.obtainedAtMs >= startedAt;
    if (!isLoginRefusal(error) || fresh || !tokens.reject(token)) throw error;
    return logInWith(await tokenInTime(tokens, options, signal), options, signal);
  });
}

function logInWith(
  token: AccessToken | undefined,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<PgSession> {
  return openAtTarget(
    options,
    (settings, wait, placement) => logInAt(settings, token, wait, placement, options),
    signal,
  );
}

/** One login at the server of `settings`, over a connection of its own. */
export async function logInAt(
  settings: Settings,
  token: AccessToken | undefined,
  wait: Wait,
  placement: Placement,
  { diagnostics }: { readonly diagnostics: Diagnostics },
): Promise<PgSession> {
  const socket = await openTransport(settings.server, wait);
  const tls = tlsFacts(socket);
  if (tls) diagnostics.report('tls.established', { host: settings.server.host, ...tls });
  return logIn(socket, token, settings, wait, placement);
}

/** Logs in over an open `socket`, with `token` or the password of the settings; destroys it on failure. */
export async function logIn(
  socket: Socket,
  token: AccessToken | undefined,
  settings: Settings,
  wait: Wait,
  placement: Placement,
): Promise<PgSession> {
  const { server, timeoutMs } = settings;
  const { client, guard } = newClient(socket, token, settings);
  const reported = watchRole(client);
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
    return new PgSession(client, socket, {
      guard,
      endpoint: server,
      clock: wait.clock,
      timeoutMs,
      prelude: preludeOf(server),
      placement,
      role: reportedRole(reported, server.readOnly),
    });
  } catch (error) {
    socket.destroy();
    const facts = { ...server, isToken: token !== undefined, demand: guard.demand };
    throw isServerError(error) ? loginError(error, facts) : lostDuringLogin(error, server, wait);
  }
}

function lostDuringLogin(error: unknown, server: Settings['server'], { signal }: Wait): unknown {
  if (signal?.aborted === true && error === signal.reason) return error;
  if (!isSaslFailure(error)) return connectionLost(error, server);
  const { host, port } = server;
  return new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem: error.message }, { cause: error });
}

// The driver has no code for a server that does not keep to SCRAM, or does not prove itself.
function isSaslFailure(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('SASL: ');
}

/** The driver, and the guard between it and the socket. */
interface GuardedClient {
  readonly client: pg.Client;
  readonly guard: Guard;
}

// Every field that the driver would otherwise take from a PG* variable is set.
function newClient(socket: Socket, token: AccessToken | undefined, settings: Settings): GuardedClient {
  const { server } = settings;
  const secret = secretOf(token, settings);
  const guard = new Guard(socket, server, proofOf(socket, secret, settings), () => {
    endAuthentication(client, socket, server);
  });
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: () => secret.reveal(),
    application_name: server.applicationName,
    enableChannelBinding: true,
    ssl: false,
    sslnegotiation: 'postgres',
    connectionTimeoutMillis: 0,
    stream: () => guard,
    types: LOSSLESS_TYPES,
  } as unknown as pg.ClientConfig);
  Object.assign(parametersOf(client), { replication: undefined, options: startupOptions(server) });
  return { client, guard };
}

const AUTHENTICATION_EVENTS = [
  'authenticationCleartextPassword',
  'authenticationMD5Password',
  'authenticationSASL',
  'authenticationSASLContinue',
  'authenticationSASLFinal',
];

// A driver that is logged in would still answer a request for its password, at any time, and without
// one of its own with that of ~/.pgpass: once the login is accepted nobody is there to ask.
function endAuthentication(client: pg.Client, socket: Socket, { host, port }: ServerSettings): void {
  const { connection } = client as unknown as { connection: EventEmitter };
  for (const event of AUTHENTICATION_EVENTS) {
    connection.removeAllListeners(event);
    connection.on(event, () => {
      const problem = 'a request for a password after the login';
      socket.destroy(new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem }));
    });
  }
}

// The driver keeps the password of a login for the life of the client; nothing needs it any more. It
// would look for an absent one elsewhere.
function forgetPassword(client: pg.Client): void {
  const spent = (): never => {
    throw new Error('the login is over');
  };
  for (const holder of [client, parametersOf(client)]) Object.assign(holder, { password: spent });
}

function parametersOf(client: pg.Client): object {
  return (client as unknown as { connectionParameters: object }).connectionParameters;
}
