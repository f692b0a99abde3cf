import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { hasPgBouncer, startPgBouncer, type PgBouncer } from '../support/pgbouncer.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('behind PgBouncer in transaction mode (needs pgbouncer)', function () {
  this.timeout(30_000);
  if (!hasPgBouncer()) {
    it('B-29 works without named statements and session state', function () {
      this.skip();
    });
    return;
  }
  const use = useSandbox();
  let pooler: PgBouncer;
  let token: string;
  before(async () => {
    token = await use.sandbox.control.issueToken({});
    pooler = await startPgBouncer(use.sandbox, { user: use.sandbox.role, password: token });
  });
  after(() => pooler.stop());

  /** By a token that PgBouncer knows. */
  const connect = (changes: Record<string, string> = {}) =>
    use.connect({
      AuthScheme: 'OAuthToken',
      InitiateOAuth: 'OFF',
      OAuthAccessToken: token,
      OAuthClientSecret: '',
      Port: String(pooler.port),
      PoolerMode: 'TRANSACTION',
      ...changes,
    });
  const select = async (connector: ReturnType<typeof connect>, sql: string) =>
    (await connector.execute('select', { sql })).rows;

  it('B-29 without the mode the login is refused, because it asks for a session that lasts', async () => {
    const error = await failure(
      connect({ PoolerMode: 'NONE' }).execute('select', { sql: 'select 1' }),
      'POSTGRESQL:SETTINGS',
      'POOLER_MODE_NEEDED',
    );
    expect(error.message).to.include('options');
  });

  it('B-29 results have their form whatever another client set in the session of the server', async () => {
    const stranger = connect({ TimeZone: 'Asia/Kolkata' });
    for (const setting of [
      "intervalstyle = 'sql_standard'",
      'bytea_output = escape',
      'extra_float_digits = -3',
    ])
      await stranger.execute('execute', { sql: `set ${setting}` });
    const connector = connect({ TimeZone: 'Europe/Berlin', SearchPath: 'pg_catalog, "A b\\c"' });
    const sql = `select timestamptz '2026-07-01 12:00:00+00' as at, interval '1 day 2 hours' as took, '\\x00ff'::bytea as bytes,
      0.1::float8 + 0.2 as sum, current_setting('search_path') as path, pg_backend_pid() as pid`;
    const [row] = await select(connector, sql);
    expect(row).to.deep.include({
      at: '2026-07-01T14:00:00+02:00',
      took: 'P1DT2H',
      sum: 0.30000000000000004,
      path: 'pg_catalog, "A b\\c"',
    });
    expect(row?.['bytes']).to.deep.equal(Buffer.from([0, 255]));
    const [others] = await select(
      stranger,
      "select current_setting('search_path') as path, pg_backend_pid() as pid",
    );
    expect(others).to.deep.equal({ path: '"$user", public', pid: row?.['pid'] });
  });

  it('B-29 writes in one statement and in several, streams, and errors leave the session fit', async () => {
    const connector = connect();
    await connector.execute('execute', {
      sql: 'create table if not exists pooled (id int primary key, v text)',
    });
    const rows = Array.from({ length: 33_000 }, (_, id) => ({ id, v: String(id) }));
    expect((await connector.execute('insert', { table: 'pooled', rows })).affectedRows).to.equal(33_000);
    await failure(
      connector.execute('insert', {
        table: 'pooled',
        rows: rows.map(({ id, v }) => ({ id: 50_000 + (id % 32_999), v })),
      }),
      'POSTGRESQL:CONSTRAINT_VIOLATION',
      'CONSTRAINT_VIOLATION',
    );
    let seen = 0;
    for await (const batch of connector.stream(
      'select',
      { sql: 'select * from pooled' },
      { batchSize: 1_000 },
    )) {
      seen += batch.length;
    }
    expect(seen).to.equal(33_000);
    for await (const batch of connector.stream(
      'select',
      { sql: 'select * from pooled' },
      { batchSize: 10 },
    )) {
      expect(batch).to.have.length(10);
      break;
    }
    expect(await select(connector, 'select count(*)::int as n from pooled')).to.deep.equal([{ n: 33_000 }]);
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('B-29 two clients take turns in one session of the server, statement by statement', async () => {
    const [one, other] = [connect(), connect()];
    const pids = await Promise.all(
      Array.from({ length: 40 }, (_, turn) =>
        select(turn % 2 ? one : other, `select pg_backend_pid() as pid, ${turn} as turn`),
      ),
    );
    expect(new Set(pids.map(([row]) => row?.['pid'])).size).to.equal(1);
    expect(pids.map(([row]) => row?.['turn'])).to.deep.equal(pids.map((_, turn) => turn));
  });

  it('B-29 Readonly and StatementTimeout hold in every transaction', async () => {
    const connector = connect({ Readonly: 'true', StatementTimeout: '200' });
    await failure(
      connector.execute('execute', { sql: 'create table never (a int)' }),
      'POSTGRESQL:QUERY_EXECUTION',
      'READ_ONLY',
    );
    await failure(
      connector.execute('select', { sql: 'select pg_sleep(10)' }),
      'POSTGRESQL:QUERY_TIMEOUT',
      'STATEMENT_CANCELLED',
    );
    expect(await select(connector, 'select 1 as one')).to.deep.equal([{ one: 1 }]);
  });

  it('B-29 B-14 an abort reaches the statement through the pooler, and no other', async () => {
    const connector = connect();
    const leaving = new AbortController();
    const running = connector.execute(
      'select',
      { sql: 'select pg_sleep(20) as pooled_nap' },
      { signal: leaving.signal },
    );
    const isRunning = async () =>
      (
        await use.sandbox.query(
          "select 1 from pg_stat_activity where state = 'active' and query like '%pooled_nap'",
        )
      ).length === 1;
    await untilTrue(isRunning);
    leaving.abort();
    await failure(running, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect(await select(connect(), 'select 1 as one')).to.deep.equal([{ one: 1 }]);
    await untilTrue(async () => !(await isRunning()));
  });
});
