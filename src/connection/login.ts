import pg from 'pg';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { AccessToken } from '../auth/access-token.js';
import type { TokenSource } from '../auth/token-source.js';
import { deadline, startBudget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';
import type { ServerSettings, Settings } from '../settings/settings.js';
import { tlsFacts } from '../tls-facts.js';
import { Guard } from './guard.js';
import type { LoginProof } from './login-dialogue.js';
import { isLoginRefusal, isServerError, loginError } from './pg-error.js';
import { PgSession } from './pg-session.js';
import { connectionLost, isVerified, openTransport, within, type Wait } from './transport.js';
import { LOSSLESS_TYPES } from './value-types.js';

/** What opening a session takes. */
export interface LoginOptions {
  readonly settings: Settings;
  /** Undefined for a login by password. */
  readonly tokens: TokenSource | undefined;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/**
 * A session logged in with the token of the moment, or with the password. When the server refuses a
 * token that was already in use (SQLSTATE class 28), that token is replaced by a new one and the
 * login is tried once more; a refusal of a new token, and of a password, is final.
 *
 * @throws ConnectorError of the token request, of the transport, or TOKEN_REFUSED, PASSWORD_REFUSED,
 *   ROLE_UNKNOWN, LOGIN_REFUSED, TOKEN_LOGIN_NOT_OFFERED, PASSWORD_LOGIN_NOT_OFFERED,
 *   DATABASE_UNKNOWN, SERVER_BUSY, SERVER_STARTING
 */
export async function openSession(options: LoginOptions, signal?: AbortSignal): Promise<PgSession> {
  const { tokens, settings, clock, diagnostics } = options;
  const startedAt = clock.steadyMs();
  try {
    const session = tokens
      ? await logInByToken(tokens, startedAt, options, signal)
      : await logInWith(undefined, options, signal);
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
  startedAt: number,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<PgSession> {
  const token = await tokenInTime(tokens, options, signal);
  return logInWith(token, options, signal).catch(async (error: unknown) => {
    const fresh = token.obtainedAtMs >= startedAt;
    if (!isLoginRefusal(error) || fresh || !tokens.reject(token)) throw error;
    return logInWith(await tokenInTime(tokens, options, signal), options, signal);
  });
}

/** A request of our own ends by its own limit, and says more; this much later we stop waiting for others. */
const OTHERS_GRACE_MS = 200;

// The token may be on its way for another connection or process, whose limits are its own.
async function tokenInTime(
  tokens: TokenSource,
  { clock, settings: { timeoutMs } }: LoginOptions,
  signal?: AbortSignal,
): Promise<AccessToken> {
  const limitMs = timeoutMs === 0 ? 0 : timeoutMs + OTHERS_GRACE_MS;
  const limit = deadline(clock, limitMs, () => new ConnectorError('TOKEN_TIMEOUT', { timeoutMs }), signal);
  try {
    return await tokens.get(limit.signal);
  } finally {
    limit.dispose();
  }
}

async function logInWith(
  token: AccessToken | undefined,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<PgSession> {
  const { settings, clock, diagnostics } = options;
  const wait: Wait = { clock, budget: startBudget(clock, settings.timeoutMs), signal };
  const socket = await openTransport(settings.server, wait);
  const tls = tlsFacts(socket);
  if (tls) diagnostics.report('tls.established', { host: settings.server.host, ...tls });
  return logIn(socket, token, settings, wait);
}

/** Logs in over an open `socket`, with `token` or the password of the settings; destroys it on failure. */
export async function logIn(
  socket: Socket,
  token: AccessToken | undefined,
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
    const facts = { ...server, isToken: token !== undefined };
    throw isServerError(error) ? loginError(error, facts) : lostDuringLogin(error, server, wait);
  }
}

function lostDuringLogin(error: unknown, server: Settings['server'], { signal }: Wait): unknown {
  return signal?.aborted === true && error === signal.reason ? error : connectionLost(error, server);
}

// Every setting that changes the form of a result is said at login, where it outranks the
// defaults of role and database.
const FIXED_SETTINGS = [
  'DateStyle=ISO',
  'IntervalStyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'standard_conforming_strings=on',
];

function sessionSettings({ timeZone, readOnly }: ServerSettings): string {
  const own = [`TimeZone=${timeZone}`, ...(readOnly ? ['default_transaction_read_only=on'] : [])];
  return [...own, ...FIXED_SETTINGS].map((setting) => `-c ${setting}`).join(' ');
}

function proofOf(socket: Socket, { identity, server }: Settings): LoginProof {
  if (identity.kind !== 'password') return { kind: 'token' };
  return { kind: 'password', weakest: identity.weakest, isVerified: isVerified(socket, server.tls) };
}

function secretOf(token: AccessToken | undefined, { identity }: Settings): Secret {
  if (token) return token.value;
  return identity.kind === 'password' ? identity.password : new Secret('');
}

// Every field that the driver would otherwise take from a PG* variable is set.
function newClient(socket: Socket, token: AccessToken | undefined, settings: Settings): pg.Client {
  const { server } = settings;
  const stream = new Guard(socket, server, proofOf(socket, settings), () => {
    endAuthentication(client, socket, server);
  });
  const secret = secretOf(token, settings);
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: () => secret.reveal(),
    application_name: server.applicationName,
    options: sessionSettings(server),
    enableChannelBinding: true,
    ssl: false,
    sslnegotiation: 'postgres',
    connectionTimeoutMillis: 0,
    stream: () => stream,
    types: LOSSLESS_TYPES,
  } as unknown as pg.ClientConfig);
  Object.assign(parametersOf(client), { replication: undefined });
  return client;
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
