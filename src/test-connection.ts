import type { AccessToken } from './auth/access-token.js';
import type { TokenParts } from './auth/index.js';
import type { TokenSource } from './auth/token-source.js';
import { startBudget, type Clock } from './clock.js';
import { HostRoles, textOf, type Placement } from './connection/host-roles.js';
import { logIn, logInAt } from './connection/login.js';
import type { PgSession } from './connection/pg-session.js';
import type { Session } from './connection/session.js';
import { isSingle, openAtTarget } from './connection/targets.js';
import { nameOfWay, openTcp, startTls, type Wait } from './connection/transport.js';
import type { Diagnostics } from './diagnostics.js';
import { isConnectorError } from './errors.js';
import type { ResolvedSettings, ServerHost, Settings } from './settings/settings.js';
import { Walk, type StageName, type StepResult, type TestReport } from './stage-walk.js';
import { tlsFacts } from './tls-facts.js';

export interface TestOptions {
  /** Stop after the token: the database is not contacted. */
  readonly tokenOnly?: boolean;
  readonly signal?: AbortSignal;
}

/** What the stages work with. */
export interface TestParts extends TokenParts {
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/**
 * Walks through every stage of a login with parts of its own and reports each. Never throws; the
 * first failure skips the rest. The token is requested anew and kept where tokens are kept, as by a
 * login. The session and the network are closed before it resolves.
 */
export async function testSettings(
  resolve: () => ResolvedSettings,
  assemble: (resolved: ResolvedSettings) => TestParts,
  options: TestOptions,
): Promise<TestReport> {
  const walk = new Walk(options.signal);
  const assembled = await walk.step('settings', () => {
    const resolved = resolve();
    for (const { text } of resolved.notes) walk.note(text);
    return { value: { resolved, parts: assemble(resolved) } };
  });
  if (!assembled) return walk.report();
  const { resolved, parts } = assembled;
  walk.parts = parts;
  try {
    const token = await walkToToken(walk, parts, options);
    const isProved = !parts.tokens || token !== undefined;
    if (isProved && options.tokenOnly !== true) await walkToDatabase(walk, resolved, parts, token, options);
  } finally {
    parts.tokens?.close();
    await parts.diagnostics.close();
    await parts.network.close();
  }
  const logProblem = parts.diagnostics.fileProblem();
  if (logProblem !== undefined) walk.note(`Logfile cannot be written: ${logProblem}.`);
  return walk.report();
}

/** Why a stage before the database has nothing to do in a login that succeeds. */
const WITHOUT = {
  certificate: 'this login uses no certificate',
  discovery: 'this login has nothing to discover',
  token: 'this login has no token',
  'token-claims': 'there are no claims to look at',
} as const satisfies Partial<Record<StageName, string>>;

async function walkToToken(
  walk: Walk,
  { client, tokens, requestAnew, clock, diagnostics }: TestParts,
  { signal }: TestOptions,
): Promise<AccessToken | undefined> {
  if (!tokens) {
    for (const [name, reason] of Object.entries(WITHOUT)) walk.skip(name as keyof typeof WITHOUT, reason);
    return undefined;
  }
  const check = client?.checkCredential;
  if (!check) walk.skip('certificate', WITHOUT.certificate);
  else await walk.step('certificate', async () => ({ detail: await check(signal) }));
  const discover = client?.discover;
  if (!discover) walk.skip('discovery', WITHOUT.discovery);
  else await walk.step('discovery', async () => ({ detail: await discover(signal) }));
  const token = await walk.step('token', async () => {
    if (!requestAnew) return lookAtSupplied(tokens, signal);
    const startedAt = clock.steadyMs();
    const { token: value, warnings } = await requestAnew(signal);
    const lifetimeSeconds = Math.round(value.lifetimeMs / 1_000);
    const ms = Math.round(clock.steadyMs() - startedAt);
    diagnostics.report('token.obtained', { lifetimeSeconds, ms });
    return { value, detail: { lifetimeSeconds, ...(warnings.length > 0 && { notes: warnings.join(' ') }) } };
  });
  const claims = token?.claims;
  if (claims) await walk.step('token-claims', () => ({ detail: { ...claims } }));
  else walk.skip('token-claims', 'the token says nothing about itself');
  return token;
}

/** A token that was supplied proves nothing before a login. How long it lives is told where that is known. */
async function lookAtSupplied(
  tokens: TokenSource,
  signal: AbortSignal | undefined,
): Promise<StepResult<AccessToken>> {
  const value = await tokens.get(signal);
  const { expiresInSeconds } = tokens.health();
  return { value, detail: { supplied: true, ...(expiresInSeconds !== undefined && { expiresInSeconds }) } };
}

async function walkToDatabase(
  walk: Walk,
  { settings: given, effective }: ResolvedSettings,
  parts: TestParts,
  token: AccessToken | undefined,
  options: TestOptions,
): Promise<void> {
  const { clock, diagnostics } = parts;
  const { signal } = options;
  const target = await findTarget(walk, given, parts, token, options);
  if (!target) return;
  const { settings, detail } = target;
  const { server, timeoutMs } = settings;
  const startedAt = clock.steadyMs();
  const wait: Wait = { clock, budget: startBudget(clock, timeoutMs), signal };
  const tcp = await walk.step('tcp', async () => {
    const value = await openTcp(server, wait);
    const through = nameOfWay(server.way);
    const peer = { address: value.remoteAddress, port: value.remotePort };
    return { value, detail: { ...detail, ...(through === undefined ? peer : { through }) } };
  });
  const isEncrypted = server.tls.mode !== 'disable';
  if (!isEncrypted) walk.skip('tls', withoutTls(effective));
  const tls = !isEncrypted
    ? undefined
    : await walk.step('tls', async () => {
        if (!tcp) return {};
        const value = await startTls(tcp, server, wait);
        const facts = tlsFacts(value);
        if (!facts) return { value };
        diagnostics.report('tls.established', { host: server.host, ...facts });
        const { protocol, subject: certificate, validTo } = facts;
        return { value, detail: { protocol, certificate, validTo } };
      });
  const session = await walk.step('login', async () => {
    const socket = tls ?? tcp;
    if (!socket) return {};
    const value = await logIn(socket, token, settings, wait, placementOf(settings, clock));
    const ms = Math.round(clock.steadyMs() - startedAt);
    diagnostics.report('session.opened', { id: value.id, user: server.user, ms });
    return { value, detail: { backend: value.id } };
  });
  if (!session) return;
  await walk.step('privileges', async () => ({ detail: await privilegesOf(session, signal) }));
  await session.close();
  diagnostics.report('session.closed', { id: session.id, reason: 'the test is over' });
}

interface Target {
  readonly settings: Settings;
  /** Which of several servers it is, and why not one before it. */
  readonly detail: Readonly<Record<string, string>>;
}

/**
 * The server that a login would use now, which is then tested stage by stage; where a server
 * refuses who we are, that one. A search that ends with no server is a failed stage `tcp`.
 */
async function findTarget(
  walk: Walk,
  settings: Settings,
  parts: TestParts,
  token: AccessToken | undefined,
  { signal }: TestOptions,
): Promise<Target | undefined> {
  if (isSingle(settings.server)) return { settings, detail: {} };
  const passedOver: string[] = [];
  const roles = new HostRoles(settings.server, parts.clock);
  const onPass = (host: ServerHost, reason: string): void => {
    passedOver.push(`${textOf(host)}: ${reason}`);
  };
  const targetOf = ({ server }: Settings): Target => ({
    settings: { ...settings, server },
    detail: {
      server: textOf(server),
      ...(passedOver.length > 0 && { passedOver: passedOver.join(' ') }),
    },
  });
  const places = new Map<PgSession, Settings>();
  let tried = settings;
  return walk.step('tcp', async () => {
    try {
      const session = await openAtTarget(
        { ...parts, settings, roles, onPass, isPatient: false },
        async (at, wait, placement) => {
          tried = at;
          const opened = await logInAt(at, token, wait, placement, parts);
          places.set(opened, at);
          return opened;
        },
        signal,
      );
      await session.close();
      return { value: targetOf(places.get(session) ?? tried) };
    } catch (error) {
      if (!isConnectorError(error) || error.code === 'NO_SERVER_FITS') throw error;
      return { value: targetOf(tried) };
    }
  });
}

function placementOf({ server }: Settings, clock: Clock): Placement {
  return new HostRoles(server, clock).placementAt(server);
}

/** What was given that switches TLS off. */
function withoutTls(effective: ResolvedSettings['effective']): string {
  const said = effective.filter(
    ({ name, origin }) => ['UseSSL', 'SSLMode'].includes(name) && ['given', 'alias'].includes(origin),
  );
  return said.map(({ name, value }) => `${name} is ${value}`).join(' and ');
}

const PRIVILEGES = `
  select current_setting('server_version') as "serverVersion",
         current_user as role,
         current_database() as database,
         pg_catalog.current_schema() as schema,
         pg_catalog.has_database_privilege(current_database(), 'CREATE') as "mayCreateSchemas",
         coalesce(pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'), false) as "mayCreateTables"`;

async function privilegesOf(
  session: Session,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>> {
  const { rows } = await session.all({ text: PRIVILEGES, values: [] }, { writes: false, signal });
  return { ...rows[0] };
}
