/**
 * Cuts the wire after every byte of a login, a select and an insert, in both directions and in every way:
 *
 *     npm run cut:wire -- [every how many bytes, 1 unless told]
 *
 * Each call must settle with a result or a typed error, the connector must be of use afterwards, and a
 * write must have happened as often as its caller was told.
 */
import { pathToFileURL } from 'node:url';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { createConnector, type Connector } from '#src/connector.js';
import { isConnectorError } from '#src/errors.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { ExpiringClock } from '../support/expiring-clock.js';
import { nobody, tellProgress, type Progress } from '../support/progress.js';
import { startFaultProxy, type Break, type FaultProxy } from '../support/fault-proxy.js';

/** What a run saw. */
export interface CutReport {
  readonly cuts: number;
  /** How often each call ended how: `done` or the code of an error. */
  readonly select: Readonly<Record<string, number>>;
  readonly insert: Readonly<Record<string, number>>;
  /** Longest time from a cut to the end of the calls it touched, in milliseconds. */
  readonly slowestMs: number;
}

interface Cut {
  readonly way: 'up' | 'down';
  readonly bytes: number;
  readonly how: Break;
}

const WAYS_TO_BREAK: readonly Break[] = ['close', 'reset', 'silence'];
/** How long after the silence has begun a limit of time is declared to be over. */
const PATIENCE_MS = 20;
/** It is declared so again after so many times of this patience, for waits that have begun since. */
const TICKS_BETWEEN = 100;
const LIMIT_MS = 5_000;

/** Cuts after every `stride` bytes. Throws when a call ends otherwise than promised. */
export async function cutWire(
  sandbox: Sandbox,
  stride: number,
  progressOf: (total: number) => Progress = () => nobody,
): Promise<CutReport> {
  await sandbox.query('create table if not exists cut (id int)');
  await sandbox.query('grant select, insert on cut to public');
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: sandbox.gate.port });
  const report = { cuts: 0, select: {}, insert: {}, slowestMs: 0 };
  const promised = new Map<number, string>();
  try {
    const cuts = [...cutsOf(await lengthsOf(sandbox, proxy), stride)];
    const progress = progressOf(cuts.length);
    for (const cut of cuts) {
      const id = (report.cuts += 1);
      const startedAt = performance.now();
      const [select, insert] = await callsThrough(sandbox, proxy, cut, id);
      const ms = performance.now() - startedAt;
      if (ms > LIMIT_MS) throw new Error(`${JSON.stringify(cut)} took ${ms.toFixed(0)} ms`);
      report.slowestMs = Math.max(report.slowestMs, ms);
      count(report.select, select);
      count(report.insert, insert);
      promised.set(id, insert);
      progress(id);
    }
    await requireKept(sandbox, promised);
    return report;
  } finally {
    await proxy.close();
  }
}

const connectThrough = (sandbox: Sandbox, { port }: FaultProxy, clock: ExpiringClock): Connector => {
  const properties = parseConnectionString(sandbox.connections.secret);
  const own = { Port: String(port), PoolMaxSize: '2', OAuthSettingsLocation: 'memory://cut-wire' };
  return createConnector({ ...properties, ...own }, { clock });
};

interface Lengths {
  readonly up: number;
  readonly down: number;
}

/** Bytes in both directions of a login, and of a login with all that follows. */
async function lengthsOf(sandbox: Sandbox, proxy: FaultProxy): Promise<{ login: Lengths; all: Lengths }> {
  const connector = connectThrough(sandbox, proxy, new ExpiringClock());
  const session = await connector.provider.connect();
  const login = { ...proxy.forwarded[0]! };
  await connector.provider.disconnect(session);
  await connector.close();
  await callsThrough(sandbox, proxy, undefined, 0);
  return { login, all: proxy.forwarded[1]! };
}

/** What is behind the login is cut so many times more often. */
const FINER = 4;

function* cutsOf({ login, all }: { login: Lengths; all: Lengths }, stride: number): Generator<Cut> {
  let turn = 0;
  for (const way of ['up', 'down'] as const)
    for (let bytes = 0; bytes <= all[way]; bytes += bytes < login[way] ? stride : Math.ceil(stride / FINER)) {
      // With every byte each way to break, else one after the other.
      const hows = stride === 1 ? WAYS_TO_BREAK : [WAYS_TO_BREAK[(turn += 1) % WAYS_TO_BREAK.length]!];
      for (const how of hows) yield { way, bytes, how };
    }
}

/** How a select and an insert end while the wire is cut once; a third call must succeed. */
async function callsThrough(
  sandbox: Sandbox,
  proxy: FaultProxy,
  cut: Cut | undefined,
  id: number,
): Promise<readonly [select: string, insert: string]> {
  const clock = new ExpiringClock();
  const connector = connectThrough(sandbox, proxy, clock);
  if (cut) proxy[cut.way].breakAfter = cut;
  const stop = cut?.how === 'silence' ? expireAfterBreaks(proxy, clock) : () => undefined;
  try {
    const select = await outcomeOf(connector.execute('select', { sql: 'select 1 as one' }));
    const insert = await outcomeOf(connector.execute('insert', { table: 'cut', rows: [{ id }] }));
    proxy.heal();
    stop();
    await connector.execute('select', { sql: 'select 2 as two' });
    return [select, insert];
  } catch (error) {
    throw new Error(JSON.stringify(cut), { cause: error });
  } finally {
    stop();
    // Its grace for sessions that are still busy is over at once, too.
    const hurry = setInterval(() => {
      clock.expire();
    }, PATIENCE_MS);
    await connector.close();
    clearInterval(hurry);
  }
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    return error.code;
  }
}

/** Ends all waits of `clock` soon after the proxy has broken a connection, and later those that began behind it. */
function expireAfterBreaks(proxy: FaultProxy, clock: ExpiringClock): () => void {
  const before = proxy.broken;
  let ticks = 0;
  const timer = setInterval(() => {
    if (proxy.broken === before) return;
    if (ticks % TICKS_BETWEEN === 0) clock.expire();
    ticks += 1;
  }, PATIENCE_MS);
  return () => {
    clearInterval(timer);
  };
}

async function requireKept(sandbox: Sandbox, promised: ReadonlyMap<number, string>): Promise<void> {
  const rows = await sandbox.query<{ id: number; n: number }>(
    'select id, count(*)::int as n from cut group by id',
  );
  const found = new Map(rows.map(({ id, n }) => [id, n]));
  for (const [id, outcome] of promised) {
    const times = found.get(id) ?? 0;
    const allowed = outcome === 'done' ? [1] : outcome === 'OUTCOME_UNKNOWN' ? [0, 1] : [0];
    if (!allowed.includes(times))
      throw new Error(`write ${String(id)} (${outcome}) happened ${String(times)} times`);
  }
}

function count(counts: Record<string, number>, outcome: string): void {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

async function main([stride = '1']: readonly string[]): Promise<void> {
  const sandbox = await startSandbox();
  const start = performance.now();
  try {
    const report = await cutWire(sandbox, Number(stride), (total) => tellProgress(total, 'cuts'));
    console.log({ ...report, seconds: Math.round((performance.now() - start) / 1_000) });
  } finally {
    await sandbox.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
