import { expect } from 'chai';
import type { Connector } from '#src/connector.js';
import { ExpiringClock } from '../support/expiring-clock.js';
import { failure } from '../support/failure.js';
import { startFaultProxy, type Break, type FaultProxy, type Toxics } from '../support/fault-proxy.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

/** Once a fault is gone the next operation succeeds within this time. */
const RECOVERY_MS = 2_000;

const CLOSED: readonly Break[] = ['close', 'reset'];
const SLEEP = { sql: 'select pg_sleep(60)' };

describe('faults of the network on the way to the server', function () {
  this.timeout(20_000);
  const use = useSandbox();
  let proxy: FaultProxy;
  let clock: ExpiringClock;
  let connector: Connector;

  before(async () => {
    await use.sandbox.query('create table fault (id int); grant select, insert on fault to public');
  });
  beforeEach(async () => {
    proxy = await startFaultProxy({ host: '127.0.0.1', port: use.sandbox.gate.port });
    clock = new ExpiringClock();
    connector = use.connect({ Port: String(proxy.port), PoolMaxSize: '2' }, { clock });
  });
  afterEach(async () => {
    await connector.close();
    await proxy.close();
  });

  const select = async (): Promise<unknown> =>
    (await connector.execute('select', { sql: 'select 1 as one' })).rows;
  const insert = (id: number) => connector.execute('insert', { table: 'fault', rows: [{ id }] });
  const countOf = async (id: number): Promise<unknown> =>
    (await use.sandbox.query('select count(*)::int as n from fault where id = $1', [id]))[0];
  /** Whether a statement runs at the server that begins like this. */
  const runs = async (text: string): Promise<boolean> =>
    (
      await use.sandbox.query("select 1 from pg_stat_activity where state = 'active' and query like $1", [
        `${text}%`,
      ])
    ).length > 0;
  const idle = () => connector.health().pool.idle > 0;

  async function expectRecovery(): Promise<void> {
    const startedAt = performance.now();
    expect(await select()).to.deep.equal([{ one: 1 }]);
    expect(performance.now() - startedAt, 'ms').to.be.lessThan(RECOVERY_MS);
  }

  for (const how of CLOSED) {
    it(`N-14 N-17 an idle session that ends by ${how} is replaced unseen`, async () => {
      await select();
      await untilTrue(idle);
      proxy.breakAll(how);
      await untilTrue(() => connector.health().pool.idle === 0);
      await expectRecovery();
    });

    it(`N-14 a write that loses its session by ${how} is OUTCOME_UNKNOWN`, async () => {
      const statement = { sql: `${SLEEP.sql} as by_${how}` };
      const write = failure(
        connector.execute('execute', statement),
        'POSTGRESQL:OUTCOME_UNKNOWN',
        'OUTCOME_UNKNOWN',
      );
      await untilTrue(() => runs(statement.sql));
      proxy.breakAll(how);
      await write;
      await expectRecovery();
    });

    it(`N-14 a transaction that is broken by ${how} before its COMMIT has left nothing`, async () => {
      const session = await connector.provider.connect();
      const work = session.transaction(async () => {
        await session.all({ text: 'insert into fault values (1)', values: [] }, { writes: true });
        proxy.breakAll(how);
        await session.all({ text: 'insert into fault values (1)', values: [] }, { writes: true });
      }, {});
      await failure(work, 'POSTGRESQL:CONNECTIVITY', 'CONNECTION_LOST');
      await connector.provider.disconnect(session);
      expect(await countOf(1)).to.deep.equal({ n: 0 });
      await expectRecovery();
    });
  }

  for (const [how, id] of [
    ['close', 2],
    ['reset', 3],
    ['silence', 4],
  ] as const) {
    it(`N-14 the answer to a COMMIT that is lost by ${how} is OUTCOME_UNKNOWN, and the write is there once`, async () => {
      const session = await connector.provider.connect();
      const work = session.transaction(async () => {
        await session.all({ text: 'insert into fault values ($1)', values: [id] }, { writes: true });
        proxy.down.breakAfter = { bytes: proxy.forwarded[0]!.down, how };
      }, {});
      const lost = failure(work, 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
      await untilTrue(() => proxy.broken === 1);
      if (how === 'silence') clock.expire();
      await lost;
      await connector.provider.disconnect(session);
      expect(await countOf(id)).to.deep.equal({ n: 1 });
      await expectRecovery();
    });
  }

  it('N-13 a session that has gone silent while idle costs one read its limit, or nothing', async () => {
    await select();
    await untilTrue(idle);
    proxy.breakAll('silence');
    const read = select().catch((error: unknown) => error);
    const timer = setTimeout(() => {
      clock.expire();
    }, 50);
    const outcome = await read;
    clearTimeout(timer);
    expect(outcome).to.have.property('code', 'OPERATION_TIMEOUT');
    await expectRecovery();
  });

  for (const [operation, type, code] of [
    ['select', 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT'],
    ['execute', 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'],
  ] as const) {
    it(`N-13 silence within a statement ends by its limit (${operation}), and the next one works`, async () => {
      const statement = { sql: `${SLEEP.sql} as ${operation}` };
      const lost = failure(connector.execute(operation, statement), type, code);
      await untilTrue(() => runs(statement.sql));
      proxy.breakAll('silence');
      clock.expire();
      await lost;
      await expectRecovery();
    });
  }

  it('N-17 a session that a device in between has forgotten is not lent after its idle time', async () => {
    await select();
    await untilTrue(idle);
    proxy.breakAll('silence');
    clock.expire();
    await expectRecovery();
  });

  const SLOW: readonly (readonly [title: string, toxics: Toxics])[] = [
    ['100 ms of latency', { latencyMs: 50 }],
    ['jitter', { latencyMs: 5, jitterMs: 40 }],
    ['10 KB/s', { bytesPerSecond: 10_000 }],
    ['segments of one byte', { sliceBytes: 1 }],
  ];
  for (const [title, toxics] of SLOW) {
    it(`N-15 ${title}: correct, within limits`, async () => {
      Object.assign(proxy.up, toxics);
      Object.assign(proxy.down, toxics);
      const { rows } = await connector.execute('select', {
        sql: "select g as id, repeat('x', 20) as v from generate_series(1, 100) g",
      });
      expect(rows).to.deep.equal(Array.from({ length: 100 }, (_, at) => ({ id: at + 1, v: 'x'.repeat(20) })));
      await insert(5);
    });
  }

  it('N-01 a server that refuses for a while is of use as soon as it is back', async () => {
    await proxy.refuse(true);
    await failure(select(), 'POSTGRESQL:CANNOT_REACH', 'SERVER_UNREACHABLE');
    await proxy.refuse(false);
    await expectRecovery();
  });
});
