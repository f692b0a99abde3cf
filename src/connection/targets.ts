import { backoff } from '../auth/retry.js';
import { deadline, delay, startBudget, type Budget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError, isOfType, type ErrorCode } from '../errors.js';
import type { ServerHost, ServerSettings, Settings } from '../settings/settings.js';
import { fits, textOf, type HostRoles, type Placement, type ServerRole } from './host-roles.js';
import type { PgSession } from './pg-session.js';
import { askRole } from './server-role.js';
import type { Wait } from './transport.js';

/** One login at the one server of `settings`. */
export type LogInAt = (settings: Settings, wait: Wait, placement: Placement) => Promise<PgSession>;

export interface SearchOptions {
  readonly settings: Settings;
  readonly roles: HostRoles;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  /** Told of each host that is passed over, and why. */
  readonly onPass?: (host: ServerHost, reason: string) => void;
  /** False: servers that are starting, stopping or full are not asked again. True by default. */
  readonly isPatient?: boolean;
}

/** Why a host was passed over: its error, or the role that was not asked for. */
interface Passed {
  readonly host: ServerHost;
  readonly reason: ConnectorError | ServerRole;
}

/** Longest time for which a server that takes no logins now is asked again: a token does not age much meanwhile. */
const PATIENCE_MS = 60_000;
/** Time that a login must have left: with less, its own end would hide what the server said. */
const LOGIN_MS = 1_000;

/**
 * A session at the first host of `Server` that can be reached and fits `TargetSessionAttrs`; with
 * `prefer-standby` at any that can be reached where there is no standby. All hosts together get the
 * time of one `Timeout`, each an equal share of what is left. Once a server has said that it is
 * starting, stopping or full, all are tried again within that time (a minute at most), with
 * exponential back-off and jitter, also while it is down. As with libpq, a server that refuses who we are ends the search, and so does
 * a proxy or SSH server on the way that fails.
 *
 * @throws ConnectorError NO_SERVER_FITS; where `Server` names a single host its own error; what a
 *   login was refused with; the reason of `signal`
 */
export async function openAtTarget(
  options: SearchOptions,
  logInAt: LogInAt,
  signal?: AbortSignal,
): Promise<PgSession> {
  const { settings, clock, diagnostics, isPatient = true } = options;
  const { timeoutMs } = settings;
  const budget = startBudget(clock, timeoutMs);
  const patience = startBudget(clock, timeoutMs === 0 ? PATIENCE_MS : Math.min(timeoutMs, PATIENCE_MS));
  let isPassing = false;
  for (let attempt = 1; ; attempt += 1) {
    const found = await tryAll(options, logInAt, budget, signal);
    if (!Array.isArray(found)) return found;
    isPassing ||= isPatient && found.some(takesNoLoginsNow);
    const trouble = isPassing ? (found.find(takesNoLoginsNow) ?? found.find(mayPass)) : undefined;
    const delayMs = Math.round(backoff(attempt, (1 + clock.random()) / 2));
    if (!trouble || delayMs + LOGIN_MS > patience.remainingMs()) throw searchError(found, settings.server);
    const { host, reason } = trouble;
    diagnostics.report('connection.retry', { attempt, host: textOf(host), code: codeOf(reason), delayMs });
    await delay(clock, delayMs, signal);
    signal?.throwIfAborted();
  }
}

/** Whether every session is simply for the one server there is. */
export function isSingle({ hosts, target }: ServerSettings): boolean {
  return hosts.length === 1 && target === 'any';
}

/** `settings` of a connector that knows `host` alone. */
function settingsAt(settings: Settings, { host, port }: ServerHost): Settings {
  return { ...settings, server: { ...settings.server, host, port } };
}

async function tryAll(
  options: SearchOptions,
  logInAt: LogInAt,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<PgSession | Passed[]> {
  const { roles, clock, settings } = options;
  const hosts = roles.inOrder();
  const passed: Passed[] = [];
  /** Not what is preferred, but better than nothing. */
  let spare: PgSession | undefined;
  for (const [at, host] of hosts.entries()) {
    try {
      const wait: Wait = { clock, budget: shareOf(budget, hosts.length - at, clock), signal };
      const { session, role } = await openAt(host, options, logInAt, wait);
      if (role === undefined || fits(role, settings.server.target)) {
        void spare?.close();
        return session;
      }
      pass({ host, reason: role }, passed, options);
      if (settings.server.target === 'prefer-standby' && !spare) spare = session;
      else void session.close();
    } catch (error) {
      if (isOfThisHost(error)) pass({ host, reason: error }, passed, options);
      else if (spare && signal?.aborted !== true) return spare;
      else {
        void spare?.close();
        throw error;
      }
    }
  }
  return spare?.usable === true ? spare : passed;
}

/** An equal part of what is left: a host that stays silent takes no more. */
function shareOf(budget: Budget, hostsLeft: number, clock: Clock): Budget {
  if (hostsLeft === 1 || budget.totalMs === 0) return budget;
  return startBudget(clock, Math.ceil(budget.remainingMs() / hostsLeft));
}

/** The session at `host`, with the role of its server where that counts. */
async function openAt(
  host: ServerHost,
  options: SearchOptions,
  logInAt: LogInAt,
  wait: Wait,
): Promise<{ session: PgSession; role: ServerRole | undefined }> {
  const { settings, roles, diagnostics } = options;
  const session = await logInAt(settingsAt(settings, host), wait, roles.placementAt(host));
  if (isSingle(settings.server)) return { session, role: undefined };
  try {
    const isAsked = settings.server.target !== 'any';
    const role = session.role ?? (isAsked ? await roleInTime(session, host, settings, wait) : undefined);
    roles.note(host, role);
    diagnostics.report('server.chosen', { host: textOf(host), role: role ?? 'any role' });
    return { session, role };
  } catch (error) {
    void session.close();
    throw error;
  }
}

async function roleInTime(
  session: PgSession,
  { host, port }: ServerHost,
  { server }: Settings,
  { clock, budget, signal }: Wait,
): Promise<ServerRole> {
  const details = { host, port, stage: 'the answer to what role it has', timeoutMs: budget.totalMs };
  const late = (): Error => new ConnectorError('CONNECT_TIMEOUT', details);
  const limit = deadline(clock, budget.remainingMs(), late, signal);
  try {
    return await askRole(session, server.readOnly, limit.signal);
  } finally {
    limit.dispose();
  }
}

function pass(
  { host, reason }: Passed,
  passed: Passed[],
  { roles, settings, diagnostics, onPass }: SearchOptions,
): void {
  passed.push({ host, reason });
  if (isSingle(settings.server)) return;
  if (typeof reason !== 'string') roles.note(host, 'unreachable');
  const words = typeof reason === 'string' ? ROLE_WORDS[reason] : `${reason.code} ${reason.message}`;
  diagnostics.report('server.passed', { host: textOf(host), reason: words });
  onPass?.(host, words);
}

const ROLE_WORDS = {
  primary: 'it is a primary',
  standby: 'it is a standby',
  'read-only': 'it is read-only',
} as const satisfies Record<ServerRole, string>;

const FINAL_TYPES = ['POSTGRESQL:INVALID_CREDENTIALS', 'POSTGRESQL:INVALID_DATABASE'];

/** Failures of the way, which is the same to every host: each further try would be one more wrong password. */
const FAILURES_OF_THE_WAY: readonly ErrorCode[] = [
  'FIREWALL_UNREACHABLE',
  'FIREWALL_AUTHENTICATION_FAILED',
  'SSH_UNREACHABLE',
  'SSH_SERVER_NOT_VERIFIED',
  'SSH_AUTHENTICATION_FAILED',
];

/** Whether the failure says something of one host only: another one may do better. */
function isOfThisHost(error: unknown): error is ConnectorError {
  if (!isConnectorError(error) || FINAL_TYPES.includes(error.type)) return false;
  if (FAILURES_OF_THE_WAY.includes(error.code)) return false;
  return isOfType(error, 'POSTGRESQL:CONNECTIVITY') || error.type === 'POSTGRESQL:PROTOCOL_VIOLATION';
}

/** Shutdown, crash, start, and too many connections (PostgreSQL documentation, appendix A). */
const NO_LOGINS_NOW = ['57P01', '57P02', '57P03', '53300'];

function takesNoLoginsNow({ reason }: Passed): boolean {
  return typeof reason !== 'string' && NO_LOGINS_NOW.includes(reason.sqlState ?? '');
}

function mayPass({ reason }: Passed): boolean {
  return typeof reason !== 'string' && reason.retryable;
}

function searchError(passed: readonly Passed[], { hosts, target }: ServerSettings): ConnectorError {
  const errors = passed.map(({ reason }) => reason).filter((reason) => typeof reason !== 'string');
  const [first] = errors;
  if (first && hosts.length === 1) return first;
  const reasons = passed.map(({ host, reason }) => `${textOf(host)} (${codeOf(reason)})`).join(', ');
  const purpose = target === 'any' ? '' : ` as ${target}`;
  const isRetryable = errors.length < passed.length || errors.some(({ retryable }) => retryable);
  return new ConnectorError(
    'NO_SERVER_FITS',
    { purpose, reasons },
    { cause: first, retryable: isRetryable, properties: ['Server', 'TargetSessionAttrs'] },
  );
}

function codeOf(reason: Passed['reason']): string {
  return typeof reason === 'string' ? ROLE_WORDS[reason] : reason.code;
}
