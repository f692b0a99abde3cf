import { mkdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import pg from 'pg';
import { createConnector, testConnection, tokenPassword, type Connector } from '#src/connector.js';
import { ConnectorError } from '#src/errors.js';
import { formatConnectionString, parseConnectionString } from '#src/settings/connection-string.js';
import { failure } from './support/failure.js';
import { useFolder } from './support/folder.js';
import { recordingLogger } from './support/log.js';
import { untilTrue, useSandbox } from './support/use-sandbox.js';

describe('connector', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const folder = useFolder();
  const { connect } = use;

  const backends = async (): Promise<unknown> => {
    const [row] = await use.sandbox.query(
      `select count(*)::int as all, count(*) filter (where state = 'active')::int as active from pg_stat_activity where usename = $1`,
      [use.sandbox.role],
    );
    return row;
  };

  for (const kind of ['secret', 'certificatePem', 'certificatePfx'] as const) {
    it(`C-01 makes 1 discovery and 1 token request for 1,000 cold callers with ${kind}`, async () => {
      const password = tokenPassword(use.sandbox.connections[kind]);
      const tokens = await Promise.all(Array.from({ length: 1_000 }, () => password()));
      expect(new Set(tokens).size).to.equal(1);
      expect(use.sandbox.control.requests().map((request) => request.kind)).to.deep.equal([
        'discovery',
        'token',
      ]);
    });
  }

  it('does nothing until an operation needs it, and then shares what it opened', async () => {
    const connector = connect();
    expect(connector.health()).to.deep.equal({
      token: { state: 'none', obtained: 0, failed: 0 },
      pool: { idle: 0, inUse: 0, opening: 0, waiting: 0 },
      sessionsOpened: 0,
    });
    await Promise.all(Array.from({ length: 40 }, () => connector.execute('select', { sql: 'select 1' })));
    const { token, pool, sessionsOpened } = connector.health();
    expect(token).to.include({ state: 'valid', obtained: 1, failed: 0 });
    expect(token?.expiresInSeconds).to.be.within(3_590, 3_599);
    expect(pool).to.include({ inUse: 0, waiting: 0 });
    expect(sessionsOpened).to.be.at.most(10);
  });

  it('D-12 H-18 can be made while everything is down, and recovers by itself', async () => {
    use.sandbox.control.addFaults({
      action: 'refuse',
      code: 90033,
      status: 400,
      error: 'invalid_request',
      kind: 'token',
    });
    const connector = connect();
    await failure(
      connector.execute('select', { sql: 'select 1' }),
      'POSTGRESQL:AUTHENTICATION',
      'TOKEN_REQUEST_REFUSED',
    );
    expect(connector.health().token?.failure?.code).to.equal('TOKEN_REQUEST_REFUSED');
    await untilTrue(async () => {
      const result = await connector.execute('select', { sql: 'select 1' }).catch(() => undefined);
      return result?.rows.length === 1;
    });
    expect(connector.health().token).not.to.have.property('failure');
  });

  it('B-17 an abort ends the statement at the server and frees the place', async () => {
    const connector = connect({ PoolMaxSize: '1' });
    const leaving = new AbortController();
    const running = connector.execute('select', { sql: 'select pg_sleep(30)' }, { signal: leaving.signal });
    await untilTrue(
      async () =>
        (
          await use.sandbox.query(
            `select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'`,
          )
        ).length === 1,
    );
    leaving.abort();
    await failure(running, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
    await untilTrue(
      async () =>
        (
          await use.sandbox.query(
            `select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'`,
          )
        ).length === 0,
    );
  });

  it('B-14 a statement over its Timeout is OPERATION_TIMEOUT and does not run on', async () => {
    const connector = connect({ Timeout: '1' });
    await failure(
      connector.execute('select', { sql: 'select pg_sleep(30)' }),
      'POSTGRESQL:QUERY_TIMEOUT',
      'OPERATION_TIMEOUT',
    );
    await untilTrue(
      async () =>
        (
          await use.sandbox.query(
            `select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'`,
          )
        ).length === 0,
    );
  });

  it('B-14 B-17 a write that is timed out or aborted, and stopped at once, certainly did not happen', async () => {
    const connector = connect({ Timeout: '1' });
    const write = { sql: 'select pg_sleep(30) as slow_write' };
    await failure(connector.execute('execute', write), 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
    const leaving = new AbortController();
    const aborted = { sql: 'select pg_sleep(30) as aborted_write' };
    const running = connector.execute('execute', aborted, { signal: leaving.signal });
    await untilTrue(
      async () =>
        (
          await use.sandbox.query(
            `select 1 from pg_stat_activity where state = 'active' and query like '%as aborted_write'`,
          )
        ).length === 1,
    );
    leaving.abort();
    await failure(running, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    for (const reason of [undefined, 'enough', new Error('enough')]) {
      const unsent = connector.execute('execute', write, { signal: AbortSignal.abort(reason) });
      await failure(unsent, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    }
  });

  it('B-14 a write that cannot be stopped in time is OUTCOME_UNKNOWN', async () => {
    const connector = connect({ Timeout: '1' });
    await connector.execute('execute', {
      sql: `create function deaf() returns void language plpgsql as $$ begin
        perform pg_sleep(3); exception when query_canceled then perform pg_sleep(2); end $$`,
    });
    const late = await failure(
      connector.execute('execute', { sql: 'select deaf()' }),
      'POSTGRESQL:OUTCOME_UNKNOWN',
      'OUTCOME_UNKNOWN',
    );
    expect(late.cause).to.have.property('code', 'OPERATION_TIMEOUT');
  });

  it('a write that is lost before our COMMIT certainly did not happen', async () => {
    const connector = connect({ Timeout: '1' });
    await connector.execute('execute', { sql: 'create table two_parts (id int, pause text)' });
    await connector.execute('execute', {
      sql: `create function nap() returns trigger language plpgsql as $$ begin if new.id = 40000 then perform pg_sleep(30); end if; return new; end $$`,
    });
    await connector.execute('execute', {
      sql: 'create trigger nap before insert on two_parts for each row execute function nap()',
    });
    const rows = Array.from({ length: 40_001 }, (_, id) => ({ id, pause: '' }));
    await failure(
      connector.execute('insert', { table: 'two_parts', rows }),
      'POSTGRESQL:QUERY_TIMEOUT',
      'OPERATION_TIMEOUT',
    );
    expect(await use.sandbox.query('select count(*)::int as n from two_parts')).to.deep.equal([{ n: 0 }]);
  });

  it('N-14 B-04 a write whose answer is lost is OUTCOME_UNKNOWN, a read is sent once more', async () => {
    const connector = connect();
    // What a dropped session ran goes on at the server for a while.
    const drop = async (running: Promise<unknown>, operation: string, count = 1): Promise<void> => {
      running.catch(() => undefined);
      const isRunning = `select 1 from pg_stat_activity where state = 'active' and query like $1`;
      await untilTrue(
        async () => (await use.sandbox.query(isRunning, [`%pg_sleep% as ${operation}`])).length === count,
      );
      use.sandbox.control.dropSessions();
    };
    const read = (seconds: number, name: string) =>
      connector.execute('select', { sql: `select pg_sleep(${String(seconds)}) as ${name}` });
    const once = read(0.5, 'once');
    await drop(once, 'once');
    await once;
    const twice = read(30, 'twice');
    await drop(twice, 'twice');
    await drop(twice, 'twice', 2);
    await failure(twice, 'POSTGRESQL:CONNECTIVITY', 'CONNECTION_LOST');
    const write = connector.execute('execute', { sql: 'select pg_sleep(30) as written' });
    await drop(write, 'written');
    await failure(write, 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
    // The backends that slept when their clients were gone.
    await use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
      use.sandbox.role,
    ]);
  });

  it('B-01 a restart of the database between two messages is no error', async () => {
    const connector = connect();
    await connector.execute('select', { sql: 'select 1' });
    await use.sandbox.control.restartPostgres();
    await untilTrue(() => Promise.resolve(connector.health().pool.idle === 0));
    expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
  });

  it('B-11 a session left in a transaction is not lent again as it is', async () => {
    const connector = connect({ PoolMaxSize: '1' });
    await connector.execute('execute', { sql: 'begin' });
    await connector.execute('execute', { sql: 'create table left_open (id int)' });
    const [row] = await use.sandbox.query(`select to_regclass('left_open') is not null as committed`);
    expect(row).to.deep.equal({ committed: true });
  });

  it('B-02 B-04 a session that the server ended with its answer is not lent again', async () => {
    const connector = connect({ PoolMaxSize: '1' });
    const suicide = { sql: 'select pg_terminate_backend(pg_backend_pid())' };
    for (let round = 0; round < 3; round += 1) {
      const work = connector.execute('select', suicide);
      const { cause } = await failure(work, 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
      expect(cause).to.have.property('code', 'SERVER_STARTING');
      expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
    }
    await failure(connector.execute('execute', suicide), 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
  });

  it('B-04 N-14 a stream whose session ends fails at once with the reason, and leaving one never waits for its limit', async () => {
    const connector = connect();
    const drain = async (sql: string, after: () => void = () => undefined): Promise<void> => {
      for await (const batch of connector.stream('select', { sql }, { batchSize: 1 })) {
        if (batch.length > 0) after();
      }
    };
    const { cause } = await failure(
      drain('select pg_terminate_backend(pg_backend_pid())'),
      'POSTGRESQL:OUTCOME_UNKNOWN',
      'OUTCOME_UNKNOWN',
    );
    expect(cause).to.have.property('code', 'SERVER_STARTING');
    await failure(
      drain('select generate_series(1, 1000000)', () => use.sandbox.control.dropSessions()),
      'POSTGRESQL:CONNECTIVITY',
      'CONNECTION_LOST',
    );
    for await (const batch of connector.stream(
      'select',
      { sql: 'select generate_series(1, 9)' },
      { batchSize: 1 },
    )) {
      expect(batch).to.have.length(1);
      use.sandbox.control.dropSessions();
      break;
    }
    expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
  });

  it('B-04 a select that changes data is treated as a write when its answer is lost', async () => {
    const connector = connect({ Timeout: '1' });
    await connector.execute('execute', { sql: 'create table slowly (id int)' });
    const sql = 'with new as (insert into slowly select 1 from pg_sleep(3) returning id) select * from new';
    const running = connector.execute('select', { sql });
    running.catch(() => undefined);
    await untilTrue(
      async () =>
        (
          await use.sandbox.query(
            `select 1 from pg_stat_activity where wait_event = 'PgSleep' and query like '%slowly%'`,
          )
        ).length === 1,
    );
    use.sandbox.control.dropSessions();
    await failure(running, 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
  });

  it('V-02 is not changed by what others set on the types of the driver', async () => {
    const { INT8 } = pg.types.builtins;
    const before = pg.types.getTypeParser(INT8) as (text: string) => string;
    pg.types.setTypeParser(INT8, Number);
    try {
      const { rows } = await connect().execute('select', { sql: 'select 9007199254740993::int8 as big' });
      expect(rows).to.deep.equal([{ big: '9007199254740993' }]);
    } finally {
      pg.types.setTypeParser(INT8, before);
    }
  });

  it('opens no session once it is closed, though its token would do', async () => {
    const connector = connect();
    await connector.execute('select', { sql: 'select 1' });
    await connector.close();
    await failure(connector.provider.connect(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
  });

  it('P-20 says that properties are missing where a variable was not set', async () => {
    const missing = await failure(
      () => createConnector(undefined),
      'POSTGRESQL:SETTINGS',
      'PROPERTIES_MISSING',
    );
    expect(missing.properties).to.include('Server');
  });

  it('shows notes on the settings in the report of a test', async () => {
    const report = await testConnection({ ...use.properties(), Host: 'localhost' });
    expect(report.stages[0]?.detail?.['notes']).to.match(/Host/);
  });

  it('B-21 leaving a stream early keeps the session for the next', async () => {
    const connector = connect({ PoolMaxSize: '1' });
    for await (const batch of connector.stream(
      'select',
      { sql: 'select generate_series(1, 1000000) as n' },
      { batchSize: 10 },
    )) {
      expect(batch).to.have.length(10);
      break;
    }
    expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('streams many rows in batches without keeping them', async () => {
    const connector = connect();
    let rows = 0;
    let batches = 0;
    for await (const batch of connector.stream('select', {
      sql: 'select n, repeat($1, 100) as filler from generate_series(1, 200000) n',
      parameters: ['x'],
    })) {
      rows += batch.length;
      batches += 1;
    }
    expect({ rows, batches }).to.deep.equal({ rows: 200_000, batches: 200 });
  });

  it('B-18 close is idempotent, leaves no backend, and later calls fail typed', async () => {
    const connector = connect();
    await Promise.all(Array.from({ length: 5 }, () => connector.execute('select', { sql: 'select 1' })));
    await Promise.all([connector.close(), connector.close()]);
    await connector.close();
    await untilTrue(async () => ((await backends()) as { all: number }).all === 0);
    await failure(
      connector.execute('select', { sql: 'select 1' }),
      'POSTGRESQL:SETTINGS',
      'CONNECTOR_CLOSED',
    );
  });

  it('reports events to the logger, warnings of the settings first, and survives a logger that throws', async () => {
    const logger = recordingLogger();
    const connector = connect({ Host: 'localhost' }, { logger });
    await connector.execute('select', { sql: 'select 1' });
    expect(logger.lines[0]).to.include('warn settings.warning');
    expect(logger.lines.map((line) => line.split(' ')[1])).to.include.members([
      'token.obtained:',
      'session.opened:',
      'operation.completed:',
    ]);
    const broken = (): never => {
      throw new Error('disk full');
    };
    const careless = connect({}, { logger: { error: broken, warn: broken, info: broken, debug: broken } });
    expect((await careless.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
  });

  it('says in its health that Logfile cannot be written, until it can', async () => {
    const Logfile = folder.path('logs', 'flow.log');
    const connector = connect({ Logfile });
    const select = () => connector.execute('select', { sql: 'select 1' });
    await select();
    await untilTrue(() => connector.health().log !== undefined);
    expect(connector.health().log?.failed).to.include('ENOENT');
    mkdirSync(folder.path('logs'));
    await select();
    await untilTrue(() => connector.health().log === undefined);
    expect(readFileSync(Logfile, 'utf8')).to.include('operation.completed');
  });

  it('tests itself without disturbing its own token and sessions', async () => {
    const connector = connect();
    await connector.execute('select', { sql: 'select 1' });
    const report = await connector.test();
    expect(report.ok).to.equal(true);
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('testConnection never throws, whatever it is given', async () => {
    for (const properties of [
      '',
      '=',
      ';;;',
      'Server',
      'x'.repeat(2_000_000),
      { Server: Symbol('x') },
      { Server: 1n },
    ]) {
      const report = await testConnection(properties);
      expect(report.ok).to.equal(false);
      expect(report.stages[0]).to.have.nested.property('error.type', 'POSTGRESQL:SETTINGS');
      expect(report.stages.slice(1).every(({ status }) => status === 'skipped')).to.equal(true);
    }
  });

  it('an abort ends a test at the stage where it was', async () => {
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const leaving = new AbortController();
    const testing = testConnection(use.sandbox.connections.secret, { signal: leaving.signal });
    await untilTrue(() =>
      Promise.resolve(use.sandbox.control.requests().some(({ kind }) => kind === 'token')),
    );
    leaving.abort(new ConnectorError('CANCELLED', {}));
    const report = await testing;
    expect(report.stages.find(({ status }) => status === 'failed'))
      .to.include({ name: 'token' })
      .and.have.nested.property('error.code', 'CANCELLED');
  });

  it('keeps two connectors of different identities apart in one memory location', async () => {
    const app = await use.sandbox.addApplication({ displayName: 'other app', role: 'other app' });
    const shared = { OAuthSettingsLocation: 'memory://one-for-both' };
    const first = connect(shared);
    const second = connect({
      ...shared,
      User: 'other app',
      OAuthClientId: app.clientId,
      OAuthClientSecret: app.clientSecret,
    });
    const third = connect(shared);
    const who = async (connector: Connector): Promise<unknown> =>
      (await connector.execute('select', { sql: 'select current_user as who' })).rows[0]?.['who'];
    expect(await Promise.all([who(first), who(second), who(third)])).to.deep.equal([
      use.sandbox.role,
      'other app',
      use.sandbox.role,
    ]);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
  });

  it('reads back what formatConnectionString writes', async () => {
    const text = formatConnectionString(parseConnectionString(use.sandbox.connections.certificatePfx));
    const connector = createConnector(text);
    expect((await connector.execute('select', { sql: 'select 1' })).rows).to.have.length(1);
    await connector.close();
  });
});
