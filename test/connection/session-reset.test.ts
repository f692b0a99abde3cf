import type { LaneRead } from '#src/connection/lane-read.js';
import { expect } from 'chai';
import type { PgSession } from '#src/connection/pg-session.js';
import { failure } from '../support/failure.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

/** Everything of a session that somebody could have left behind, in the order of its columns. */
const STATE = `select current_setting('DateStyle') as datestyle, current_setting('TimeZone') as timezone,
  current_setting('IntervalStyle') as intervalstyle, current_setting('bytea_output') as bytea,
  current_setting('search_path') as path, current_setting('default_transaction_read_only') as readonly,
  current_setting('statement_timeout') as timeout, current_setting('application_name') as application,
  coalesce(current_setting('my.own', true), '') as own, current_user as role, session_user as login,
  (select count(*)::int from pg_listening_channels()) as channels,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
  (select count(*)::int from pg_cursors where name <> '') as cursors,
  (select count(*)::int from pg_prepared_statements) as statements,
  (select count(*)::int from pg_class where relpersistence = 't' and pg_table_is_visible(oid)) as temporary`;

describe('a session that is given back', function () {
  this.timeout(30_000);
  const use = useSandbox();
  const SETTINGS = {
    TimeZone: 'Europe/Berlin',
    SearchPath: 'app, "A b\\c", public',
    StatementTimeout: '54321',
    ApplicationName: 'my flow',
  };
  const open = async (changes: Record<string, string> = SETTINGS) =>
    (await use.connect(changes).provider.connect()) as PgSession;
  const run = (session: PgSession, text: string, leavesTrace = true) =>
    session.all({ text, values: [] }, { writes: false, leavesTrace });
  const stateOf = async (session: PgSession) => (await run(session, STATE, false)).rows[0];

  const open_sessions: PgSession[] = [];
  const session = async (changes?: Record<string, string>) => {
    const opened = await open(changes);
    open_sessions.push(opened);
    return opened;
  };
  afterEach(() => Promise.all(open_sessions.splice(0).map((one) => one.close())));

  const TRACES: readonly (readonly [what: string, ...statements: string[]])[] = [
    ['an open transaction', 'begin', 'create table b11_never (id int)'],
    ['a failed transaction', 'begin', 'select 1 / 0'],
    [
      'settings',
      "set DateStyle = 'German'",
      "set TimeZone = 'Asia/Tokyo'",
      'set search_path = pg_catalog',
      'set my.own = 1',
    ],
    [
      'settings by a function',
      "select set_config('IntervalStyle', 'sql_standard', false), set_config('bytea_output', 'escape', false)",
    ],
    [
      'a read-only session',
      'set session characteristics as transaction read only',
      'set statement_timeout = 1000',
    ],
    ['another name', 'set application_name = stranger'],
    ['another role', 'set role b11_other'],
    ['a temporary table', 'create temporary table t (id int)', 'create temporary sequence q'],
    ['LISTEN', 'listen somebody'],
    ['advisory locks', 'select pg_advisory_lock(11)', 'select pg_advisory_lock_shared(12)'],
    ['a cursor', 'declare held cursor with hold for select generate_series(1, 9)'],
    ['a prepared statement', 'prepare mine as select 1'],
  ];
  before(async () => {
    await use.sandbox.query(`create role b11_other in role ${JSON.stringify(use.sandbox.role)}`);
    await use.sandbox.query(`grant b11_other to ${JSON.stringify(use.sandbox.role)}`).catch(() => undefined);
  });
  for (const [what, ...statements] of TRACES) {
    it(`B-11 keeps nothing of ${what}`, async () => {
      const dirty = await session();
      const before = await stateOf(dirty);
      expect(before).to.include({
        path: 'app, "A b\\c", public',
        timezone: 'Europe/Berlin',
        timeout: '54321ms',
        application: 'my flow',
      });
      expect(dirty.isDirty).to.equal(false);
      for (const text of statements) await run(dirty, text).catch(() => undefined);
      expect(dirty.isDirty).to.equal(true);
      expect(await dirty.clean()).to.equal(true);
      expect([dirty.isDirty, dirty.usable]).to.deep.equal([false, true]);
      expect(await stateOf(dirty)).to.deep.equal(before);
    });
  }

  it('B-11 sends nothing when nothing was left, and names statements anew when they were forgotten', async () => {
    const tidy = await session({});
    await run(tidy, 'select 1', false);
    const shared = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const statement = { text: 'select 2 as two', values: [] };
        const read = { statement, limit: undefined, done: resolve, failed: reject };
        tidy.pipeline.send(read as unknown as LaneRead);
      });
    for (let round = 0; round < 3; round += 1) await shared();
    await run(tidy, 'select 1', false);
    const { sent } = tidy;
    expect([tidy.isDirty, await tidy.clean()]).to.deep.equal([false, true]);
    const lastOf = async () =>
      (
        await use.sandbox.query<{ query: string }>('select query from pg_stat_activity where pid = $1', [
          tidy.id,
        ])
      )[0]?.query;
    expect(await lastOf()).to.equal('select 1');
    expect(tidy.sent).to.equal(sent);
    await run(tidy, 'set my.own = 1');
    await tidy.clean();
    expect(await lastOf()).to.equal('discard all');
    expect(await shared()).to.have.deep.property('rows', [{ two: 2 }]);
  });

  it('B-11 notices a reported setting that something else than the words has changed', async () => {
    const tidy = await session({});
    await run(
      tidy,
      `create or replace view b11_view as select set_config('TimeZone', 'Asia/Tokyo', false) as zone`,
    );
    await tidy.clean();
    await run(tidy, 'select * from b11_view', false);
    expect(tidy.isDirty).to.equal(true);
    expect(await tidy.clean()).to.equal(true);
    expect(await stateOf(tidy)).to.include({ timezone: 'UTC' });
  });

  it('B-11 is discarded when it cannot be cleaned', async () => {
    const [ended, blocked] = [await session({}), await session({})];
    await run(ended, 'set my.own = 1');
    await use.sandbox.query('select pg_terminate_backend($1)', [ended.id]);
    expect(await ended.clean()).to.equal(false);
    expect([ended.usable, ended.isDirty]).to.deep.equal([false, false]);
    await run(blocked, 'set my.own = 1');
    blocked.destroy();
    expect(await blocked.clean()).to.equal(false);
  });

  it('validate tells whether it still answers', async () => {
    const asked = await session({});
    expect(await asked.validate()).to.equal(true);
    expect(asked.isDirty).to.equal(false);
    await use.sandbox.query('select pg_terminate_backend($1)', [asked.id]);
    expect(await asked.validate()).to.equal(false);
  });

  it('begins with what the properties say, whatever the role or the environment says', async () => {
    await use.sandbox.query(`alter role ${JSON.stringify(use.sandbox.role)} set search_path = evil`);
    await use.sandbox.query(`alter role ${JSON.stringify(use.sandbox.role)} set statement_timeout = 77`);
    try {
      expect(await stateOf(await session())).to.include({
        path: 'app, "A b\\c", public',
        timeout: '54321ms',
      });
      expect(await stateOf(await session({}))).to.include({ path: 'evil', timeout: '77ms' });
    } finally {
      await use.sandbox.query(`alter role ${JSON.stringify(use.sandbox.role)} reset all`);
    }
    await failure(session({ SearchPath: '"' }), 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID');
    await failure(() => use.connect({ SearchPath: 'a\0b' }), 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID');
  });

  it('B-14 B-15 is out of use until what was given up has ended, and is then as before', async () => {
    const busy = await session({});
    for (const work of [
      (signal: AbortSignal) =>
        busy.all({ text: 'select pg_sleep(20)', values: [] }, { writes: false, leavesTrace: false, signal }),
      (signal: AbortSignal) =>
        busy
          .run(
            { text: 'select pg_sleep(20)', values: [] },
            { writes: false, leavesTrace: false, signal, batchSize: 5 },
          )
          .next(),
      async (signal: AbortSignal) => {
        for await (const { rows } of busy.run(
          { text: 'select generate_series(1, 1e9)', values: [] },
          { writes: false, leavesTrace: false, signal, batchSize: 5 },
        ))
          expect(rows).to.have.length(5);
      },
      (signal: AbortSignal) =>
        busy.transaction(
          () => busy.all({ text: 'select pg_sleep(20)', values: [] }, { writes: true, signal }),
          { signal },
        ),
    ]) {
      const leaving = new AbortController();
      const running = work(leaving.signal);
      running.catch(() => undefined);
      await untilTrue(
        async () =>
          (
            await use.sandbox.query(
              "select 1 from pg_stat_activity where pid = $1 and state = 'active' and query ~ 'sleep|series'",
              [busy.id],
            )
          ).length > 0,
      );
      leaving.abort();
      const startedAt = performance.now();
      await failure(running, 'POSTGRESQL:CANCELLED', 'CANCELLED');
      expect(performance.now() - startedAt).to.be.below(250);
      expect([busy.usable, busy.isDirty]).to.deep.equal([false, true]);
      // Who does not wait for clean() waits all the same.
      expect((await run(busy, 'select 1 as one', false)).rows).to.deep.equal([{ one: 1 }]);
      expect(await busy.clean()).to.equal(true);
      expect(busy.usable).to.equal(true);
    }
  });
});
