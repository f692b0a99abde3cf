import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const POINT = 'select id, v from lane where id = $1';

describe('reads that share sessions', function () {
  this.timeout(60_000);
  const use = useSandbox();

  before(async () => {
    await use.sandbox.query(
      `create table lane as select i as id, 'v' || i as v from generate_series(1, 1000) i`,
    );
    await use.sandbox.query('alter table lane add primary key (id)');
    await use.sandbox.query('grant select on lane to public');
  });

  const rowsOf = async (connector: ReturnType<typeof use.connect>, sql: string, parameters: unknown[] = []) =>
    (await connector.execute('select', { sql, parameters })).rows;
  const isActive = async (words: string): Promise<boolean> =>
    (
      await use.sandbox.query(
        `select 1 from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`,
        [`%${words}%`],
      )
    ).length > 0;

  it('answers each of 200 callers at a cold pool with its own row, from one session', async () => {
    const connector = use.connect();
    const ids = Array.from({ length: 200 }, (_, index) => index + 1);
    const results = await Promise.all(ids.map((id) => rowsOf(connector, POINT, [id])));
    expect(results).to.deep.equal(ids.map((id) => [{ id, v: `v${String(id)}` }]));
    expect(connector.health()).to.deep.include({ sessionsOpened: 1 });
    expect(connector.health().pool).to.deep.include({ inUse: 0, waiting: 0 });
  });

  it('keeps an error to the read that made it', async () => {
    const connector = use.connect();
    await rowsOf(connector, POINT, [1]);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) =>
        index % 3 === 0
          ? rowsOf(connector, 'select 1 / (id - id) from lane where id = $1', [1 + index])
          : rowsOf(connector, POINT, [1 + index]),
      ),
    );
    for (const [index, outcome] of outcomes.entries()) {
      if (index % 3 !== 0) expect(outcome).to.have.nested.property('value[0].id', 1 + index);
      else expect(outcome).to.have.nested.property('reason.sqlState', '22012');
    }
  });

  it('B-19 a slow query holds nobody up, and runs alone from then on', async () => {
    const connector = use.connect();
    await rowsOf(connector, POINT, [1]);
    for (let round = 0; round < 2; round += 1) {
      let isSlowDone = false;
      const slow = rowsOf(connector, 'select pg_sleep(1)').then(() => (isSlowDone = true));
      await Promise.all(Array.from({ length: 50 }, (_, index) => rowsOf(connector, POINT, [1 + index])));
      expect(isSlowDone).to.equal(false);
      await slow;
    }
  });

  it('a query that was quick until now and gets stuck lets those behind it go', async () => {
    const connector = use.connect();
    const sql = 'select pg_sleep($1)';
    await rowsOf(connector, POINT, [1]);
    await rowsOf(connector, sql, [0]);
    let isStuckDone = false;
    const stuck = rowsOf(connector, sql, [2]).then(() => (isStuckDone = true));
    const behind = Array.from({ length: 50 }, (_, index) => rowsOf(connector, POINT, [1 + index]));
    expect((await Promise.all(behind)).map(([row]) => row?.['id'])).to.deep.equal(
      behind.map((_, at) => at + 1),
    );
    expect(isStuckDone).to.equal(false);
    await stuck;
  });

  it('B-14 B-15 B-17 an aborted read is stopped at the server, and no other', async () => {
    const connector = use.connect();
    const sql = 'select pg_sleep($1) as aborted';
    await rowsOf(connector, POINT, [1]);
    await rowsOf(connector, sql, [0]);
    const leaving = new AbortController();
    const aborted = connector.execute('select', { sql, parameters: [30] }, { signal: leaving.signal });
    const behind = Array.from({ length: 50 }, (_, index) => rowsOf(connector, POINT, [1 + index]));
    await untilTrue(() => isActive('as aborted'));
    leaving.abort();
    await failure(aborted, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    await Promise.all(behind);
    await untilTrue(async () => !(await isActive('as aborted')));
    await untilTrue(() => connector.health().pool.inUse === 0);
  });

  it('B-17 a caller that leaves while it waits for a session disturbs nobody', async () => {
    const connector = use.connect();
    const leaving = new AbortController();
    const { signal } = leaving;
    const first = connector.execute('select', { sql: POINT, parameters: [1] }, { signal });
    const others = [2, 3].map((id) => rowsOf(connector, POINT, [id]));
    leaving.abort();
    await failure(first, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect((await Promise.all(others)).flat().map((row) => row['id'])).to.deep.equal([2, 3]);
  });

  it('lets others have the only session of the pool in between', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    let isReading = true;
    const readers = Array.from({ length: 20 }, async () => {
      while (isReading) await rowsOf(connector, POINT, [1]);
    });
    await untilTrue(() => connector.health().pool.inUse === 1);
    await connector.execute('execute', { sql: 'select 1 as exclusive' });
    isReading = false;
    await Promise.all(readers);
    expect(connector.health()).to.deep.include({ sessionsOpened: 1 });
  });

  it('reads anew what a named statement returned before its table changed', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    await use.sandbox.query('create table changing (a int)');
    await use.sandbox.query('insert into changing values (1)');
    await use.sandbox.query('grant select on changing to public');
    const read = () => rowsOf(connector, 'select * from changing');
    for (let round = 0; round < 3; round += 1) expect(await read()).to.deep.equal([{ a: 1 }]);
    await use.sandbox.query(`alter table changing alter a type text, add b int default 2`);
    const results = await Promise.all([read(), read(), read()]);
    expect(results).to.deep.equal(new Array(3).fill([{ a: '1', b: 2 }]));
  });

  it('sends a function that may write once, though its name or its place hides it', async () => {
    await use.sandbox.query('create table sent (how text)');
    await use.sandbox.query(
      'create function public.log(text) returns int language sql volatile as $$ insert into sent values ($1) returning 1 $$',
    );
    await use.sandbox.query(
      "create function touched(lane) returns int language sql volatile as $$ insert into sent values ('touched') returning 1 $$",
    );
    await use.sandbox.query('grant all on sent to public');
    const connector = use.connect();
    const hidden: readonly (readonly [string, unknown[]])[] = [
      ['select log($1)', ['overloaded']],
      ['select l.touched from lane l where id = 1', []],
    ];
    const stuck = 'select pg_sleep($1) as hidden';
    await rowsOf(connector, stuck, [0]);
    for (const [sql, parameters] of hidden) await rowsOf(connector, sql, parameters);
    const slow = rowsOf(connector, stuck, [0.5]);
    await Promise.all(hidden.map(([sql, parameters]) => rowsOf(connector, sql, parameters)));
    await slow;
    const counts = await use.sandbox.query(
      'select how, count(*)::int as n from sent group by how order by how',
    );
    expect(counts).to.deep.equal([
      { how: 'overloaded', n: 2 },
      { how: 'touched', n: 2 },
    ]);
    await use.sandbox.query('drop function public.log(text), touched(lane)');
  });

  it('a pause of this process is not taken for a slow server', async () => {
    const connector = use.connect();
    const before = connector.health().sessionsOpened;
    await rowsOf(connector, POINT, [1]);
    const reads = Array.from({ length: 50 }, (_, index) => rowsOf(connector, POINT, [1 + index]));
    await new Promise((resolve) => setImmediate(resolve));
    for (const endsAt = performance.now() + 120; performance.now() < endsAt;);
    await Promise.all(reads);
    expect(connector.health().sessionsOpened).to.equal(before + 1);
  });

  it('spreads reads over the pool that take their time', async () => {
    const connector = use.connect();
    const sql = 'select pg_sleep($1) as spread';
    await rowsOf(connector, sql, [0.03]);
    const pids = new Set<unknown>();
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const [row] = await rowsOf(connector, `select pg_backend_pid() as pid from pg_sleep(0.03)`);
        pids.add(row?.['pid']);
      }),
    );
    expect(pids.size).to.be.greaterThan(3);
  });

  it('keeps no more than a hundred named statements in a session', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    for (let round = 0; round < 2; round += 1)
      await Promise.all(
        Array.from({ length: 150 }, (_, index) => rowsOf(connector, `select ${String(index)} as n`)),
      );
    for (let round = 0; round < 3; round += 1) await rowsOf(connector, 'select 1 as last');
    const [kept] = await rowsOf(connector, 'select count(*)::int as n from pg_prepared_statements');
    expect(kept?.['n']).to.be.within(1, 101);
  });

  it('gives the rows that a stream gives, of whatever type', async () => {
    const connector = use.connect();
    const sql = `
      select true as b, false as nb, (-32768)::int2 as i2, 2147483647 as i4, -2147483648 as n4,
             9223372036854775807 as i8, 4294967295::oid as o, 0.1::float4 as f4, '-Infinity'::float8 as f8,
             'NaN'::float8 as nan, 1e400::numeric as big, -0.10::numeric as num, 'ü😀'::text as t,
             'c'::char(3) as c, 'v'::varchar as v, '\\x00ff'::bytea as bytes, '{"a": [1]}'::json as j,
             '{"a": 1e2}'::jsonb as jb, date '2026-11-21' as d, time '01:02:03.5' as ti, timetz '01:02:03+02' as tz,
             timestamp '2026-11-21 01:02:03.000001' as ts, timestamptz '2026-11-21 01:02:03.1+01' as tt,
             timestamptz 'infinity' as inf, timestamptz '0044-03-15 12:00:00+00 BC' as bc,
             timestamptz '12026-01-01 00:00:00+00' as far, interval '1 day 2 hours' as iv,
             'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as u, array[1, null, 3] as ai,
             array['a', 'b"c'] as at, null::int as nil, '1.2.3.4'::inet as ip, 1 as dup, 2 as dup`;
    const streamed: unknown[] = [];
    for await (const rows of connector.stream('select', { sql })) streamed.push(...rows);
    for (let round = 0; round < 3; round += 1) expect(await rowsOf(connector, sql)).to.deep.equal(streamed);
    const result = await connector.execute('select', { sql: 'select 1 as one where false' });
    expect(result).to.deep.equal({ rows: [], fields: [{ name: 'one', typeOid: 23 }], affectedRows: 0 });
  });

  it('a probe that is aborted behind a slow read leaves its text readable', async () => {
    const connector = use.connect();
    await rowsOf(connector, 'select 1');
    const slow = rowsOf(connector, 'select pg_sleep(0.2)');
    const probe = connector.execute('select', { sql: POINT, parameters: [7] }, { timeoutMs: 20 });
    await failure(probe, 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
    await slow;
    const again = connector.execute('select', { sql: POINT, parameters: [7] }, { timeoutMs: 2_000 });
    expect((await again).rows).to.deep.equal([{ id: 7, v: 'v7' }]);
  });

  it('a read that comes while the borrow of one that left is given up is answered', async () => {
    const connector = use.connect();
    const leaving = new AbortController();
    const first = connector.execute('select', { sql: 'select 1' }, { signal: leaving.signal });
    const second = failure(first, 'POSTGRESQL:CANCELLED', 'CANCELLED').then(() =>
      rowsOf(connector, 'select 2 as two'),
    );
    await Promise.resolve();
    leaving.abort();
    expect(await rowsOf(connector, 'select 3 as three')).to.deep.equal([{ three: 3 }]);
    expect(await second).to.deep.equal([{ two: 2 }]);
  });

  it('each read waits for a session as long as it may, and no longer', async () => {
    const connector = use.connect({ PoolMaxSize: '1', PoolWaitTime: '1' });
    const texts = [0, 1, 2, 3].map((n) => `select ${String(n)} as n`);
    for (const text of texts) await rowsOf(connector, text);
    const stream = connector.stream('select', { sql: 'select generate_series(1, 100000)' }, { batchSize: 1 });
    const held = stream[Symbol.asyncIterator]();
    await held.next();
    const waits = texts.map(async (text, index) => {
      await new Promise((resolve) => setTimeout(resolve, index * 50));
      const askedAt = performance.now();
      await failure(rowsOf(connector, text), 'POSTGRESQL:POOL_EXHAUSTED', 'POOL_EXHAUSTED');
      return performance.now() - askedAt;
    });
    for (const ms of await Promise.all(waits)) expect(ms).to.be.within(990, 1_400);
    await held.return?.();
  });

  it('a parameter that the server refuses harms no other read of its text', async () => {
    const connector = use.connect();
    const sql = 'select $1::int as n';
    const outcomes = await Promise.allSettled(
      ['x', 'x', 'x', '5', '6'].map((value) => rowsOf(connector, sql, [value])),
    );
    for (const outcome of outcomes.slice(0, 3))
      expect(outcome).to.have.nested.property('reason.sqlState', '22P02');
    expect(outcomes.slice(3)).to.deep.equal([5, 6].map((n) => ({ status: 'fulfilled', value: [{ n }] })));
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('takes the greatest MaxRows there is', async () => {
    const connector = use.connect({ MaxRows: '2147483647' });
    expect(await rowsOf(connector, 'select 1 as one')).to.deep.equal([{ one: 1 }]);
    expect(await rowsOf(connector, "select set_config('a.b', 'c', false) as one")).to.deep.equal([
      { one: 'c' },
    ]);
  });

  it('many operations with one signal are no leak', async () => {
    const warnings: string[] = [];
    const listen = ({ message }: Error): unknown => warnings.push(message);
    process.on('warning', listen);
    for (const operation of ['select', 'execute']) {
      const connector = use.connect({ PoolMaxSize: '1' });
      const { signal } = new AbortController();
      const one = () => connector.execute(operation, { sql: 'select 1' }, { signal });
      await Promise.all(Array.from({ length: 20 }, one));
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).to.deep.equal([]);
  });
});
