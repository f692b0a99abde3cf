import { expect } from 'chai';
import type { Connector } from '#src/connector.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { failure } from '../support/failure.js';
import { ExpiringClock } from '../support/expiring-clock.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('a session in trouble', function () {
  this.timeout(30_000);
  const use = useSandbox();
  const select = async (connector: Connector, sql: string, options = {}) =>
    (await connector.execute('select', { sql }, options)).rows;
  const isActive = async (words: string) =>
    (
      await use.sandbox.query("select 1 from pg_stat_activity where state = 'active' and query like $1", [
        `%${words}`,
      ])
    ).length > 0;
  const pidOf = async (words: string) =>
    (
      await use.sandbox.query<{ pid: number }>('select pid from pg_stat_activity where query like $1', [
        `%${words}`,
      ])
    )[0]?.pid;

  it('B-01 B-03 N-14 what ended while idle is replaced without a word, also when nobody has heard of it yet', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    for (const end of [
      () =>
        use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
          use.sandbox.role,
        ]),
      () => Promise.resolve(use.sandbox.control.dropSessions()),
    ]) {
      await select(connector, 'select 1');
      await end();
      await untilTrue(() => connector.health().pool.idle === 0);
      expect((await connector.execute('execute', { sql: 'select 2 as two' })).rows).to.deep.equal([
        { two: 2 },
      ]);
    }
    // A session that rested listens once before it sends: even a write then goes elsewhere.
    const clock = new ExpiringClock();
    const rested = await use.connect({}, { clock }).provider.connect();
    await rested.all({ text: 'select 1', values: [] }, { writes: false });
    const { sent } = rested;
    clock.expire();
    await new Promise((resolve) => setTimeout(resolve, 0)); // a flow that a timer starts
    use.sandbox.control.dropSessions();
    const endsAt = performance.now() + 30;
    while (performance.now() < endsAt); // the end arrives while the event loop is busy
    await failure(
      rested.all({ text: 'select 1', values: [] }, { writes: true }),
      'POSTGRESQL:CONNECTIVITY',
      'CONNECTION_LOST',
    );
    expect(rested.sent).to.equal(sent);
  });

  it('N-14 a read whose answer is lost is repeated once, a stream only before its first row', async () => {
    const connector = use.connect();
    const running = select(connector, 'select pg_sleep(1), 1 as one /* repeated */');
    await untilTrue(() => isActive('/* repeated */'));
    use.sandbox.control.dropSessions();
    expect(await running).to.deep.equal([{ pg_sleep: '', one: 1 }]);
    const stream = connector.stream('select', { sql: 'select generate_series(1, 100000)' }, { batchSize: 1 });
    const rows = stream[Symbol.asyncIterator]();
    await rows.next();
    use.sandbox.control.dropSessions();
    await failure(
      async () => {
        while (!(await rows.next()).done);
      },
      'POSTGRESQL:CONNECTIVITY',
      'CONNECTION_LOST',
    );
  });

  it('B-04 a backend that is terminated at work is told as it is, and a transaction certainly did not happen', async () => {
    const connector = use.connect();
    const terminated = async (operation: string, input: object, words: string): Promise<unknown> => {
      const running = connector.execute(operation, input);
      running.catch(() => undefined);
      await untilTrue(() => isActive(words));
      await use.sandbox.query('select pg_terminate_backend($1)', [await pidOf(words)]);
      return running;
    };
    const read = { sql: 'select pg_sleep(20) /* read */' };
    await failure(terminated('select', read, '/* read */'), 'POSTGRESQL:CONNECTIVITY', 'SERVER_STARTING');
    const write = { sql: 'select pg_sleep(20) /* write */' };
    await failure(
      terminated('execute', write, '/* write */'),
      'POSTGRESQL:OUTCOME_UNKNOWN',
      'OUTCOME_UNKNOWN',
    );
  });

  it('B-16 the key that cancels a statement travels over verified TLS', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    const leaving = new AbortController();
    const { signal } = leaving;
    const running = select(connector, 'select pg_sleep(30) /* b16 */', { signal }).catch(() => undefined);
    await untilTrue(() => isActive('/* b16 */'));
    leaving.abort();
    await running;
    await untilTrue(async () => !(await isActive('/* b16 */')));
    const encrypted = use.sandbox.control.cancels().map((cancel) => cancel.encrypted);
    expect(encrypted.length).to.be.above(0);
    expect(encrypted).not.to.include(false);
  });

  it('B-05 pg_cancel_backend is told as cancelled by the server, and the session stays', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    const running = select(connector, 'select pg_sleep(20) /* b05 */');
    running.catch(() => undefined);
    await untilTrue(() => isActive('/* b05 */'));
    await use.sandbox.query('select pg_cancel_backend($1)', [await pidOf('/* b05 */')]);
    const error = await failure(running, 'POSTGRESQL:QUERY_TIMEOUT', 'STATEMENT_CANCELLED');
    expect(error.sqlState).to.equal('57014');
    await select(connector, 'select 1');
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('B-12 a transaction that idles too long is lost, and nothing of it happened', async () => {
    const session = await use.connect().provider.connect();
    const all = (text: string, writes = false) => session.all({ text, values: [] }, { writes });
    await all('create table b12 (id int)');
    await all("set idle_in_transaction_session_timeout = '50ms'");
    const lost = session.transaction(async () => {
      await all('insert into b12 values (1)', true);
      await untilTrue(async () => {
        const left = await use.sandbox.query('select 1 from pg_stat_activity where pid = $1', [session.id]);
        return left.length === 0;
      });
      await all('insert into b12 values (2)', true);
    }, {});
    const error = await failure(lost, 'POSTGRESQL:QUERY_TIMEOUT', 'TRANSACTION_TIMEOUT');
    expect(error.message).to.not.equal('');
    expect(await use.sandbox.query('select * from b12')).to.deep.equal([]);
  });

  const REFUSED: readonly (readonly [
    what: string,
    sql: readonly string[],
    type: ErrorType,
    code: ErrorCode,
    sqlState: string,
  ])[] = [
    [
      'statement_timeout',
      ['select pg_sleep(20)'],
      'POSTGRESQL:QUERY_TIMEOUT',
      'STATEMENT_CANCELLED',
      '57014',
    ],
    [
      'lock_timeout',
      ["do $$ begin set local lock_timeout = '20ms'; lock table b13_held; end $$"],
      'POSTGRESQL:QUERY_TIMEOUT',
      'LOCK_TIMEOUT',
      '55P03',
    ],
    [
      'a deadlock',
      ["do $$ begin raise exception using errcode = '40P01'; end $$"],
      'POSTGRESQL:SERIALIZATION_FAILURE',
      'DEADLOCK',
      '40P01',
    ],
  ];
  for (const [what, statements, type, code, sqlState] of REFUSED) {
    it(`B-13 ${what} is typed, and the session stays`, async () => {
      const connector = use.connect({
        PoolMaxSize: '1',
        StatementTimeout: what === 'statement_timeout' ? '50' : '5000',
      });
      const holder = await use.connect().provider.connect();
      await use.sandbox.query('create table if not exists b13_held (id int)');
      await use.sandbox.query(`grant all on b13_held to ${JSON.stringify(use.sandbox.role)}`);
      await holder.all({ text: 'begin', values: [] }, { writes: false });
      await holder.all({ text: 'lock table b13_held', values: [] }, { writes: false });
      try {
        for (const sql of statements) {
          const error = await failure(connector.execute('execute', { sql }), type, code);
          expect([error.sqlState, error.retryable]).to.deep.equal([sqlState, true]);
        }
      } finally {
        await holder.close();
      }
      expect(await select(connector, 'select 1 as one')).to.deep.equal([{ one: 1 }]);
    });
  }

  it('B-19 a slow statement reaches its own limit and holds nobody else', async () => {
    const connector = use.connect({ PoolMaxSize: '2' });
    const slow = select(connector, 'select pg_sleep(20)', { timeoutMs: 300 });
    slow.catch(() => undefined);
    const startedAt = performance.now();
    const quick = Array.from({ length: 20 }, (_, n) => select(connector, `select ${n} as n`));
    expect((await Promise.all(quick)).map(([row]) => row?.['n'])).to.deep.equal(quick.map((_, n) => n));
    await failure(slow, 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
    expect(performance.now() - startedAt).to.be.within(250, 2_000);
  });

  it('the time limit of an operation counts its wait for a session and all its batches', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    const blocking = select(connector, 'select pg_sleep(1)');
    await failure(
      select(connector, 'select 1', { timeoutMs: 50 }),
      'POSTGRESQL:QUERY_TIMEOUT',
      'OPERATION_TIMEOUT',
    );
    await blocking;
    await failure(
      async () => {
        const sql = 'select generate_series(1, 100000000)';
        for await (const batch of connector.stream('select', { sql }, { timeoutMs: 100 }))
          expect(batch).to.not.equal(undefined);
      },
      'POSTGRESQL:QUERY_TIMEOUT',
      'OPERATION_TIMEOUT',
    );
    for (const timeoutMs of [-1, NaN, 2 ** 31])
      await failure(
        select(connector, 'select 1', { timeoutMs }),
        'POSTGRESQL:SETTINGS',
        'OPERATION_INPUT_INVALID',
      );
  });

  it('B-20 a large result is streamed in flat memory', async () => {
    const connector = use.connect();
    const sql = "select n, repeat('x', 100) as text from generate_series(1, 200000) n";
    let rows = 0;
    let peak = 0;
    const before = process.memoryUsage.rss();
    for await (const batch of connector.stream('select', { sql })) {
      rows += batch.length;
      peak = Math.max(peak, process.memoryUsage.rss() - before);
    }
    expect(rows).to.equal(200_000);
    expect(peak / 2 ** 20).to.be.below(100);
  });

  it('B-21 a consumer that stops after one row leaves a session without a portal', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    for (let round = 0; round < 3; round += 1) {
      for await (const [row] of connector.stream(
        'select',
        { sql: 'select generate_series(1, 1000000) as n' },
        { batchSize: 1 },
      )) {
        expect(row).to.deep.equal({ n: 1 });
        break;
      }
    }
    expect(
      await select(connector, 'select count(*)::int as n from pg_cursors where name <> $$$$'),
    ).to.deep.equal([{ n: 0 }]);
    expect(connector.health().sessionsOpened).to.equal(1);
  });
});
