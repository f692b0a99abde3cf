import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { recordingLogger } from '../support/log.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('properties of sessions and results', function () {
  this.timeout(60_000);
  const use = useSandbox();
  const rows = async (changes: Record<string, string>, sql: string) =>
    (await use.connect(changes).execute('select', { sql })).rows;

  it('Readonly=true opens sessions that refuse writes', async () => {
    const connector = use.connect({ Readonly: 'true' });
    expect((await connector.execute('select', { sql: 'select 1 as one' })).rows).to.deep.equal([{ one: 1 }]);
    const error = await failure(
      connector.execute('execute', { sql: 'create table never (a int)' }),
      'POSTGRESQL:QUERY_EXECUTION',
      'READ_ONLY',
    );
    expect(error.cure).to.include('Readonly');
    expect(error.sqlState).to.equal('25006');
  });

  it('TimeZone is that of the session, UTC by default', async () => {
    const sql = "select timestamptz '2026-07-01 12:00:00+00' as at";
    expect(await rows({ TimeZone: 'Europe/Berlin' }, sql)).to.deep.equal([
      { at: '2026-07-01T14:00:00+02:00' },
    ]);
    expect(await rows({}, sql)).to.deep.equal([{ at: '2026-07-01T12:00:00Z' }]);
  });

  for (const [count, truncated] of [
    [2, true],
    [3, false],
    [4, false],
  ] as const) {
    it(`MaxRows=${String(count)} ${truncated ? 'cuts a result of three rows and tells it' : 'leaves a result of three rows alone'}`, async () => {
      const connector = use.connect({ MaxRows: String(count) });
      const result = await connector.execute('select', { sql: 'select generate_series(1, 3) as n' });
      expect(result.rows).to.deep.equal([{ n: 1 }, { n: 2 }, { n: 3 }].slice(0, count));
      expect(result.truncated).to.equal(truncated ? true : undefined);
      expect(result.fields.map(({ name }) => name)).to.deep.equal(['n']);
      // The session is fit for the next one.
      expect((await connector.execute('select', { sql: 'select 1 as one' })).rows).to.deep.equal([
        { one: 1 },
      ]);
      expect(connector.health().sessionsOpened).to.equal(1);
    });
  }

  it('MaxRows leaves the rows of a write alone', async () => {
    const connector = use.connect({ MaxRows: '1' });
    await connector.execute('execute', { sql: 'create table if not exists max_rows (n int)' });
    const result = await connector.execute('execute', {
      sql: 'insert into max_rows select generate_series(1, 3) returning n',
    });
    expect(result.rows).to.have.length(3);
    expect(result.truncated).to.equal(undefined);
  });

  it('UseConnectionPooling=false opens a session for each operation and keeps none', async () => {
    const connector = use.connect({ UseConnectionPooling: 'false', PoolMaxSize: '1' });
    for (let round = 0; round < 3; round += 1)
      await connector.execute('select', { sql: 'select pg_backend_pid() as id' });
    expect(connector.health()).to.deep.include({ sessionsOpened: 3 });
    expect(connector.health().pool).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
  });

  describe('ConnectOnOpen', () => {
    it('logs in when the connector is created', async () => {
      const connector = use.connect({ ConnectOnOpen: 'true' });
      await connector.ready();
      expect(connector.health().sessionsOpened).to.equal(1);
    });

    it('tells a wrong setting at once, and lets later operations try again', async () => {
      const logger = recordingLogger();
      use.sandbox.control.expireSecret();
      const connector = use.connect({ ConnectOnOpen: 'true' }, { logger });
      await failure(connector.ready(), 'POSTGRESQL:AUTHENTICATION', 'CLIENT_SECRET_EXPIRED');
      expect(logger.lines.join('\n')).to.include('CLIENT_SECRET_EXPIRED');
      use.sandbox.control.expireSecret(false);
      await untilTrue(() =>
        connector.execute('select', { sql: 'select 1' }).then(
          () => true,
          () => false,
        ),
      );
    });

    it('does nothing by default', async () => {
      const connector = use.connect();
      await connector.ready();
      expect(connector.health().sessionsOpened).to.equal(0);
    });
  });

  it('SSLNegotiation=direct begins with TLS', async () => {
    expect(await rows({ SSLNegotiation: 'direct' }, 'select current_user as me')).to.deep.equal([
      { me: use.sandbox.role },
    ]);
  });

  it('InitiateOAuth=OFF uses the token of the user and requests none', async () => {
    const token = await use.sandbox.control.issueToken({});
    const changes = { InitiateOAuth: 'OFF', OAuthAccessToken: token, OAuthClientSecret: '' };
    expect(await rows(changes, 'select current_user as me')).to.deep.equal([{ me: use.sandbox.role }]);
    expect(use.sandbox.control.requests()).to.deep.equal([]);
  });

  it('InitiateOAuth=OFF: a refusal of the token is final', async () => {
    const token = await use.sandbox.control.issueToken({});
    use.sandbox.control.revoke(token);
    await failure(
      rows(
        { AuthScheme: 'OAuthToken', InitiateOAuth: 'OFF', OAuthAccessToken: token, OAuthClientSecret: '' },
        'select 1',
      ),
      'POSTGRESQL:INVALID_CREDENTIALS',
      'TOKEN_REFUSED',
    );
    expect(use.sandbox.control.requests()).to.deep.equal([]);
  });

  it('InitiateOAuth=REFRESH uses the token of the user first, and requests the next one itself', async () => {
    const token = await use.sandbox.control.issueToken({});
    const connector = use.connect({ InitiateOAuth: 'REFRESH', OAuthAccessToken: token });
    await connector.execute('select', { sql: 'select 1' });
    expect(use.sandbox.control.requests()).to.deep.equal([]);
    use.sandbox.control.revoke(token);
    use.sandbox.control.dropSessions();
    await untilTrue(() =>
      connector.execute('select', { sql: 'select 1' }).then(
        () => true,
        () => false,
      ),
    );
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
  });
});
