/**
 * Many callers at once, none of whom finds a session, so that each logs in with the token over TLS:
 *
 *     npm run storm:logins -- [logins, 1,000 unless told]
 */
import { pathToFileURL } from 'node:url';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { createConnector } from '#src/connector.js';
import { parseConnectionString } from '#src/settings/connection-string.js';

export interface StormReport {
  readonly logins: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly tokenRequests: number;
  readonly sessionsOpened: number;
  /** Most sessions lent or opening at one time. */
  readonly mostAtOnce: number;
  readonly wallMs: number;
}

const MOST = 100;

/** `logins` operations at once through a pool that keeps nothing and has at most 100 sessions at a time. */
export async function storm(sandbox: Sandbox, logins: number): Promise<StormReport> {
  const connector = createConnector({
    ...parseConnectionString(sandbox.connections.secret),
    UseConnectionPooling: 'false',
    PoolMaxSize: String(MOST),
    PoolWaitTime: '0',
    Timeout: '60',
  });
  const failures: Record<string, number> = {};
  let mostAtOnce = 0;
  const look = (): void => {
    const { inUse, opening } = connector.health().pool;
    mostAtOnce = Math.max(mostAtOnce, inUse + opening);
  };
  const before = sandbox.control.tokenRequestCount();
  const startedAt = performance.now();
  const call = async (): Promise<void> => {
    try {
      const { rows } = await connector.execute('select', { sql: 'select 1 as one' });
      if (rows.length !== 1) throw new Error('no row');
    } catch (error) {
      const name = (error as { code?: string }).code ?? String(error);
      failures[name] = (failures[name] ?? 0) + 1;
    }
    look();
  };
  await Promise.all(Array.from({ length: logins }, call));
  const wallMs = Math.round(performance.now() - startedAt);
  const tokenRequests = sandbox.control.tokenRequestCount() - before;
  const { sessionsOpened } = connector.health();
  await connector.close();
  return { logins, failures, tokenRequests, sessionsOpened, mostAtOnce, wallMs };
}

async function main([logins = '1000']: readonly string[]): Promise<void> {
  const sandbox = await startSandbox();
  try {
    const report = await storm(sandbox, Number(logins));
    console.log(report);
    const isRight =
      Object.keys(report.failures).length === 0 &&
      report.tokenRequests === 1 &&
      report.sessionsOpened === report.logins &&
      report.mostAtOnce <= MOST;
    if (!isRight) process.exitCode = 1;
  } finally {
    await sandbox.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
