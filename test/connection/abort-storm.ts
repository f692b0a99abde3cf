/** `npm run abort:storm [-- <aborts>]`: aborts 10,000 operations at random moments and says what that did; a few hundred among the tests. */
import { pathToFileURL } from 'node:url';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { createConnector, type Connector } from '#src/connector.js';
import { isConnectorError } from '#src/errors.js';

/** What a storm did. All but the first two ought to be 0. */
export interface StormReport {
  readonly aborts: number;
  /** Longest time from an abort to the end of its operation. */
  readonly settledWithinMs: number;
  /** Operations that ended in another way than by their result, CANCELLED or OUTCOME_UNKNOWN. */
  readonly surprises: readonly string[];
  /** Operations that nobody aborted and that failed, or had another's result. */
  readonly wrongVictims: readonly string[];
  /** Statements of the storm that the server still ran two seconds after its end. */
  readonly orphans: number;
  /** Operations that nobody aborted. */
  readonly controls: number;
}

const AT_ONCE = 12;
const LATEST_ABORT_MS = 40;
/** How often a victim is a write in several parts, which costs much more than the others. */
const LARGE_WRITES = 0.02;
const ORPHAN_GRACE_MS = 2_000;

type Work = (connector: Connector, signal: AbortSignal) => Promise<unknown>;

const rowsOf = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n, v: 'storm' }));

/** Aborted while it waits, connects, runs, writes in one part or several, or gives rows. */
const VICTIMS: readonly Work[] = [
  (connector, signal) => connector.execute('select', { sql: 'select pg_sleep(30) /* storm */' }, { signal }),
  (connector, signal) =>
    connector.execute(
      'select',
      { sql: 'select count(*) from generate_series(1, 100000) /* storm */' },
      { signal },
    ),
  (connector, signal) => connector.execute('execute', { sql: "set application_name = 'storm'" }, { signal }),
  (connector, signal) => connector.execute('insert', { table: 'storm', rows: rowsOf(3) }, { signal }),
  async (connector, signal) => {
    const sql = 'select generate_series(1, 10000000) /* storm */';
    for await (const _ of connector.stream('select', { sql }, { signal, batchSize: 100 })) void _;
  },
];

const largeWrite: Work = (connector, signal) =>
  connector.execute('insert', { table: 'storm', rows: rowsOf(33_000) }, { signal });

/** Aborts `aborts` operations of `connector` at moments that `random` chooses, with others among them that must succeed. */
export async function abortStorm(
  connector: Connector,
  sandbox: Sandbox,
  aborts: number,
  random: () => number = Math.random,
): Promise<StormReport> {
  await connector.execute('execute', { sql: 'create table if not exists storm (n int, v text)' });
  let left = aborts;
  let controls = 0;
  let settledWithinMs = 0;
  const surprises: string[] = [];
  const wrongVictims: string[] = [];

  const victim = async (): Promise<void> => {
    const leaving = new AbortController();
    let abortedAt = Infinity;
    const timer = setTimeout(() => {
      abortedAt = performance.now();
      leaving.abort();
    }, random() * LATEST_ABORT_MS);
    const small = VICTIMS[Math.floor(random() * VICTIMS.length)] as Work;
    const work = random() < LARGE_WRITES ? largeWrite : small;
    await work(connector, leaving.signal).catch((error: unknown) => {
      const code = isConnectorError(error) ? error.code : String(error);
      if (code !== 'CANCELLED' && code !== 'OUTCOME_UNKNOWN') surprises.push(code);
    });
    clearTimeout(timer);
    settledWithinMs = Math.max(settledWithinMs, performance.now() - abortedAt);
  };
  const control = async (): Promise<void> => {
    const number = (controls += 1);
    const sql = 'select $1::int as n, pg_sleep(0.002)';
    const { rows } = await connector.execute('select', { sql, parameters: [number] });
    if (rows[0]?.['n'] !== number) wrongVictims.push('another result');
  };
  const worker = async (isControl: boolean): Promise<void> => {
    while (left > 0) {
      if (isControl) await control().catch((error: unknown) => wrongVictims.push(String(error)));
      else {
        left -= 1;
        await victim();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => worker(index % 4 === 0)));
  const orphans = await orphansOf(sandbox);
  return { aborts, settledWithinMs: Math.round(settledWithinMs), surprises, wrongVictims, orphans, controls };
}

async function orphansOf(sandbox: Sandbox): Promise<number> {
  const endsAt = performance.now() + ORPHAN_GRACE_MS;
  for (;;) {
    const rows = await sandbox.query(
      "select 1 from pg_stat_activity where usename = $1 and state <> 'idle'",
      [sandbox.role],
    );
    if (rows.length === 0 || performance.now() > endsAt) return rows.length;
  }
}

async function main([aborts = '10000']: readonly string[]): Promise<void> {
  const sandbox = await startSandbox();
  const connector = createConnector(`${sandbox.connections.secret};PoolMaxSize=8`);
  try {
    const startedAt = performance.now();
    const report = await abortStorm(connector, sandbox, Number(aborts));
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    console.log({ ...report, sessionsOpened: connector.health().sessionsOpened, seconds });
    const { settledWithinMs, surprises, wrongVictims, orphans } = report;
    if (settledWithinMs > 250 || surprises.length + wrongVictims.length + orphans > 0) process.exitCode = 1;
  } finally {
    await connector.close();
    await sandbox.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
