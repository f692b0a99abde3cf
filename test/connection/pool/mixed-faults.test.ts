import { expect } from 'chai';
import type { Connector } from '#src/connector.js';
import { isConnectorError } from '#src/errors.js';
import { chanceOf } from '../../settings/connection-string-generator.js';
import { untilTrue, useSandbox } from '../../support/use-sandbox.js';

const FLOWS = 30;
const MESSAGES = 6;
const MOST = 10;

/** What a flow may meet. Anything else is a fault of ours. */
const EXPECTED = new Set([
  'CANCELLED',
  'CONNECTION_LOST',
  'SERVER_STARTING',
  'OUTCOME_UNKNOWN',
  'SYNTAX_ERROR',
]);

describe('pool under mixed faults', function () {
  this.timeout(60_000);
  const use = useSandbox();

  it('B-31 flows that abort, break, kill and soil sessions: every one ends typed, the size holds, all is clean after', async () => {
    const seed = Date.now() % 1_000_000;
    const chance = chanceOf(seed);
    const connector = use.connect({ PoolMaxSize: String(MOST), PoolMinSize: '2' });
    const outcomes: Record<string, number> = {};
    const killAll = async (): Promise<void> => {
      await use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
        use.sandbox.role,
      ]);
    };
    const requireBound = (): void => {
      const { idle, inUse, opening } = connector.health().pool;
      expect(idle + inUse + opening, `seed ${seed}`).to.be.at.most(MOST);
    };
    const flow = async (): Promise<void> => {
      for (let message = 0; message < MESSAGES; message += 1) {
        const outcome = await send(connector, chance(15), killAll);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        requireBound();
      }
    };
    await Promise.all(Array.from({ length: FLOWS }, flow));
    const unexpected = Object.keys(outcomes).filter((name) => name !== 'done' && !EXPECTED.has(name));
    expect(unexpected, `seed ${seed}: ${JSON.stringify(outcomes)}`).to.deep.equal([]);
    expect(outcomes['done']).to.be.greaterThan((FLOWS * MESSAGES) / 4);
    await untilTrue(() => connector.health().pool.inUse === 0);
    const after = Array.from({ length: 30 }, () => connector.execute('select', { sql: 'select 1 as one' }));
    for (const { rows } of await Promise.all(after)) expect(rows).to.deep.equal([{ one: 1 }]);
    await untilTrue(async () => {
      const { idle } = connector.health().pool;
      const [row] = await use.sandbox.query<{ n: number; busy: number }>(
        `select count(*)::int as n, count(*) filter (where state <> 'idle')::int as busy
           from pg_stat_activity where usename = $1`,
        [use.sandbox.role],
      );
      return row?.n === idle && row.busy === 0;
    });
  });
});

/** Sends one message of a kind; gives `done`, or the code it failed with. */
async function send(connector: Connector, kind: number, kill: () => Promise<void>): Promise<string> {
  const leaving = new AbortController();
  try {
    if (kind === 0) await kill();
    if (kind === 1) queueMicrotask(() => leaving.abort());
    const sql = [
      'select 1 as one',
      'select pg_sleep(0.05)',
      'select pg_terminate_backend(pg_backend_pid())',
      'selec',
      'begin',
    ][kind];
    const operation = kind === 4 ? 'execute' : 'select';
    const input = { sql: sql ?? 'select generate_series(1, 100)' };
    await connector.execute(operation, input, { signal: leaving.signal });
    return 'done';
  } catch (error) {
    return isConnectorError(error) ? error.code : String(error);
  }
}
