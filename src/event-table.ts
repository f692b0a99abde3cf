/**
 * The tables of what is logged: steps of `Verbosity`, modules, events.
 *
 * They are the single source of `docs/logging.md`; events are reported through `diagnostics.ts`.
 */

/** Methods of a host's logger. */
export const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export type Level = (typeof LEVELS)[number];

/** What each `Verbosity` adds to those below it. The steps are CData's, but for bodies: no level holds one. */
export const VERBOSITIES = {
  1: 'warnings and failures; start, end, rows and duration of each operation',
  2: 'tokens, their authority and certificate; sessions',
  3: 'HTTP exchanges with the authority: address, status, size, time, names of headers; never a body',
  4: 'connections: proxy, TLS version and cipher, certificate of the peer',
  5: 'changes of state: sessions lent and returned, waits, planned renewals',
} as const;

export type Verbosity = keyof typeof VERBOSITIES;

/** What `LogModules` chooses from. */
export const MODULES = {
  CONF: 'settings, and the log itself',
  AUTH: 'certificate, authority and token',
  HTTP: 'requests to the authority',
  TLS: 'verified connections',
  CONN: 'connections and sessions of the database',
  POOL: 'lending of sessions',
  SQL: 'operations',
} as const;

export type Module = keyof typeof MODULES;

export interface EventFacts {
  readonly verbosity: Verbosity;
  readonly module: Module;
  readonly level: Level;
  readonly text: string;
}

/**
 * Every event the connector reports: from which `Verbosity` on, in which module, at which level of
 * a host's logger, and its words. `{name}` is filled from the fields; fields hold names, counts
 * and durations, never values of secret properties, tokens, SQL text, parameters or rows.
 */
export const EVENTS = {
  // --- 1 --------------------------------------------------------------------------------------
  'settings.warning': { verbosity: 1, module: 'CONF', level: 'warn', text: '{text}' },
  'log.failed': {
    verbosity: 1,
    module: 'CONF',
    level: 'warn',
    text: 'Logfile cannot be written, lines are lost: {problem}',
  },
  'log.lost': {
    verbosity: 1,
    module: 'CONF',
    level: 'warn',
    text: 'up to {count} lines before this one could not be written',
  },
  'log.tightened': {
    verbosity: 1,
    module: 'CONF',
    level: 'warn',
    text: 'other users could read Logfile; its mode is 0600 now',
  },
  'token.failed': {
    verbosity: 1,
    module: 'AUTH',
    level: 'info',
    text: 'token request failed: {code} {message}',
  },
  'token.kept': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: 'renewal failed, the present token stays in use: {code} {message}',
  },
  'token.rejected': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: 'the server refused the token; a new one is requested',
  },
  'credential.kept': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: '{property} cannot be read anew, the credential in use stays: {code} {message}',
  },
  'credential.unusable': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: '{property} could not take over: {code} {message}',
  },
  'credential.fallback': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: '{property} was refused ({code}); {used} is in use',
  },
  'credential.expires': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: '{property} expires on {date} ({daysLeft} days left)',
  },
  'clock.corrected': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: 'the clock of this machine is {seconds} s from that of {host}; assertions are signed for its time',
  },
  'clock.differs': {
    verbosity: 1,
    module: 'AUTH',
    level: 'warn',
    text: 'the clock of this machine is {seconds} s from that of {host}',
  },
  'token.strange': { verbosity: 1, module: 'AUTH', level: 'warn', text: '{text}' },
  'login.failed': { verbosity: 1, module: 'CONN', level: 'info', text: 'login failed: {code} {message}' },
  'connection.retry': {
    verbosity: 1,
    module: 'CONN',
    level: 'warn',
    text: 'attempt {attempt} to log in at {host} failed ({code}); next attempt in {delayMs} ms',
  },
  'operation.started': { verbosity: 1, module: 'SQL', level: 'debug', text: '{operation} started' },
  'operation.completed': {
    verbosity: 1,
    module: 'SQL',
    level: 'debug',
    text: '{operation}: {rows} rows, {affectedRows} affected ({ms} ms)',
  },
  'operation.failed': {
    verbosity: 1,
    module: 'SQL',
    level: 'info',
    text: '{operation} failed: {code} ({ms} ms)',
  },
  'session.held': {
    verbosity: 1,
    module: 'POOL',
    level: 'warn',
    text: '{operation} has held session {id} for {ms} ms and goes on',
  },
  'operation.repeated': {
    verbosity: 1,
    module: 'SQL',
    level: 'warn',
    text: '{operation} was refused because the server is read-only; it is repeated once in a new session',
  },
  // --- 2 --------------------------------------------------------------------------------------
  'certificate.loaded': {
    verbosity: 2,
    module: 'AUTH',
    level: 'info',
    text: 'certificate {subject} loaded, valid until {validTo}',
  },
  'certificate.noted': { verbosity: 2, module: 'AUTH', level: 'info', text: '{text}' },
  'discovery.completed': {
    verbosity: 2,
    module: 'AUTH',
    level: 'info',
    text: 'authority found: tenant {tenantId} at {host} ({ms} ms)',
  },
  'provider.found': {
    verbosity: 2,
    module: 'AUTH',
    level: 'info',
    text: 'token endpoint of {issuer} found at {host} ({ms} ms)',
  },
  'authority.retry': {
    verbosity: 2,
    module: 'AUTH',
    level: 'info',
    text: 'authority {host} failed ({code}); next attempt in {delayMs} ms',
  },
  'token.requested': {
    verbosity: 2,
    module: 'AUTH',
    level: 'debug',
    text: 'token requested from {host} with {credential}',
  },
  'token.obtained': {
    verbosity: 2,
    module: 'AUTH',
    level: 'info',
    text: 'token obtained, usable for {lifetimeSeconds} s ({ms} ms)',
  },
  'session.opened': {
    verbosity: 2,
    module: 'CONN',
    level: 'debug',
    text: 'session {id} opened as {user} ({ms} ms)',
  },
  'server.chosen': { verbosity: 2, module: 'CONN', level: 'debug', text: 'logged in at {host} ({role})' },
  'server.passed': {
    verbosity: 2,
    module: 'CONN',
    level: 'info',
    text: 'server {host} is passed over: {reason}',
  },
  'session.closed': { verbosity: 2, module: 'CONN', level: 'debug', text: 'session {id} closed: {reason}' },
  // --- 3 --------------------------------------------------------------------------------------
  'http.request': {
    verbosity: 3,
    module: 'HTTP',
    level: 'debug',
    text: '{method} {scheme}://{host}{path} with headers {headers}',
  },
  'http.answer': {
    verbosity: 3,
    module: 'HTTP',
    level: 'debug',
    text: '{status} from {host}: {bytes} bytes ({ms} ms), request id {requestId}, headers {headers}',
  },
  'http.failed': {
    verbosity: 3,
    module: 'HTTP',
    level: 'debug',
    text: 'no answer from {host}: {code} ({ms} ms)',
  },
  // --- 4 --------------------------------------------------------------------------------------
  'proxy.connected': {
    verbosity: 4,
    module: 'CONN',
    level: 'debug',
    text: 'proxy {proxy} opened a way to {host}',
  },
  'tls.established': {
    verbosity: 4,
    module: 'TLS',
    level: 'debug',
    text: '{host} verified: {protocol}, {cipher}, certificate {subject} valid until {validTo}',
  },
  // --- 5 --------------------------------------------------------------------------------------
  'token.planned': { verbosity: 5, module: 'AUTH', level: 'debug', text: 'next renewal in {delayMs} ms' },
  'session.lent': {
    verbosity: 5,
    module: 'POOL',
    level: 'debug',
    text: 'session {id} lent after {ms} ms; {idle} idle, {waiting} waiting',
  },
  'session.returned': {
    verbosity: 5,
    module: 'POOL',
    level: 'debug',
    text: 'session {id} returned; {idle} idle, {waiting} waiting',
  },
} as const satisfies Record<string, EventFacts>;

export type EventName = keyof typeof EVENTS;
