import { expect } from 'chai';
import { createConnector, testConnection, type Connector } from '#src/connector.js';
import { askRole } from '#src/connection/server-role.js';
import { failure } from '../support/failure.js';
import { startServerPair, type ServerPair } from '../support/server-pair.js';
import { untilTrue } from '../support/use-sandbox.js';

const WHERE = { sql: `select pg_is_in_recovery()::text as standby` };
const WRITE = { sql: 'insert into note values (1)' };

describe('fail-over between a real primary and a real standby', function () {
  this.timeout(30_000);
  let pair: ServerPair;
  const open: Connector[] = [];

  before(async () => {
    pair = await startServerPair();
  });
  after(() => (pair as ServerPair | undefined)?.close());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connector) => connector.close()));
  });

  const properties = (changes: Record<string, string>): Record<string, string> => ({
    AuthScheme: 'Password',
    SSLMode: 'disable',
    User: pair.role,
    Password: pair.password,
    Database: 'postgres',
    Timeout: '10',
    ...changes,
  });
  const connect = (changes: Record<string, string>): Connector => {
    const connector = createConnector(properties(changes));
    open.push(connector);
    return connector;
  };
  const standbyFirst = (): string => `127.0.0.1:${pair.standby.tcpPort},127.0.0.1:${pair.primary.tcpPort}`;
  const primaryFirst = (): string => `127.0.0.1:${pair.primary.tcpPort},127.0.0.1:${pair.standby.tcpPort}`;

  for (const [target, standby] of [
    ['any', 'true'],
    ['primary', 'false'],
    ['standby', 'true'],
    ['prefer-standby', 'true'],
  ] as const) {
    it(`TargetSessionAttrs=${target} finds its server`, async () => {
      const connector = connect({ Server: standbyFirst(), TargetSessionAttrs: target });
      expect((await connector.execute('select', WHERE)).rows).to.deep.equal([{ standby }]);
    });
  }

  it('a standby before which a primary stands is found, and Readonly tells nothing of a role', async () => {
    const standby = connect({ Server: primaryFirst(), TargetSessionAttrs: 'standby' });
    expect((await standby.execute('select', WHERE)).rows).to.deep.equal([{ standby: 'true' }]);
    const reader = connect({ Server: standbyFirst(), TargetSessionAttrs: 'primary', Readonly: 'true' });
    expect((await reader.execute('select', WHERE)).rows).to.deep.equal([{ standby: 'false' }]);
  });

  it('a server that does not report its role is asked', async () => {
    for (const [server, role] of [
      [pair.primary, 'primary'],
      [pair.standby, 'standby'],
    ] as const) {
      const { provider } = connect({ Server: '127.0.0.1', Port: String(server.tcpPort) });
      const session = await provider.connect();
      expect(await askRole(session, false, new AbortController().signal)).to.equal(role);
      await provider.disconnect(session);
    }
  });

  it('one server that does not fit is NO_SERVER_FITS, and may pass', async () => {
    const connector = connect({
      Server: `127.0.0.1:${pair.standby.tcpPort}`,
      TargetSessionAttrs: 'primary',
    });
    const error = await failure(
      connector.execute('select', WHERE),
      'POSTGRESQL:CONNECTIVITY',
      'NO_SERVER_FITS',
    );
    expect(error.retryable).to.equal(true);
    expect(error.message).to.contain(`used as primary: 127.0.0.1:${pair.standby.tcpPort} (it is a standby)`);
  });

  it('B-07 a write at the one server, a standby, is READ_ONLY with a hint, and costs no session', async () => {
    const connector = connect({
      Server: '127.0.0.1',
      Port: String(pair.standby.tcpPort),
      PoolMaxSize: '1',
    });
    const error = await failure(
      connector.execute('execute', WRITE),
      'POSTGRESQL:QUERY_EXECUTION',
      'READ_ONLY',
    );
    expect(error.sqlState).to.equal('25006');
    expect(error.cure).to.contain('TargetSessionAttrs=primary');
    await connector.execute('select', WHERE);
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('B-06 B-07 of several servers the next one takes a write that the first refused', async () => {
    const connector = connect({ Server: standbyFirst(), PoolMaxSize: '3' });
    await Promise.all([1, 2, 3].map(() => connector.execute('execute', { sql: 'select pg_sleep(0.05)' })));
    const { affectedRows } = await connector.execute('execute', WRITE);
    expect(affectedRows).to.equal(1);
    // The other sessions at the standby are given up too: none of them would write.
    for (let round = 0; round < 3; round += 1) {
      // Who comes while the session before is cleaned may be given another one.
      await untilTrue(() => connector.health().pool.inUse === 0);
      await connector.execute('execute', WRITE);
    }
    expect(connector.health().sessionsOpened).to.equal(4);
  });

  it('B-06 a procedure that was refused is not repeated: it may have committed on its way', async () => {
    await pair.primary.query(`
      create procedure half() language plpgsql as $$
      begin
        insert into note values (7);
        commit;
        set transaction read only;
        insert into note values (8);
      end $$`);
    const connector = connect({ Server: primaryFirst(), TargetSessionAttrs: 'primary' });
    await failure(
      connector.execute('execute', { sql: 'call half()' }),
      'POSTGRESQL:QUERY_EXECUTION',
      'READ_ONLY',
    );
    expect(await pair.primary.query('select id from note where id in (7, 8)')).to.deep.equal([{ id: 7 }]);
  });

  it('the test of a connection tells which server it used, and why no other', async () => {
    const report = await testConnection(
      properties({ Server: `127.0.0.1:1,${standbyFirst()}`, TargetSessionAttrs: 'primary' }),
    );
    expect(report.ok, JSON.stringify(report)).to.equal(true);
    const { detail } = report.stages.find(({ name }) => name === 'tcp')!;
    expect(detail).to.include({ server: `127.0.0.1:${pair.primary.tcpPort}`, port: pair.primary.tcpPort });
    expect(detail!['passedOver'])
      .to.contain('127.0.0.1:1: SERVER_UNREACHABLE')
      .and.to.contain(`127.0.0.1:${pair.standby.tcpPort}: it is a standby`);
    const failed = await testConnection(
      properties({ Server: `127.0.0.1:1,127.0.0.1:${pair.standby.tcpPort}`, TargetSessionAttrs: 'primary' }),
    );
    expect(failed.stages.find(({ status }) => status === 'failed')).to.deep.include({ name: 'tcp' });
    const refused = await testConnection(properties({ Server: primaryFirst(), Password: 'wrong' }));
    expect(refused.stages.find(({ status }) => status === 'failed'))
      .to.include({ name: 'login' })
      .and.have.nested.property('error.code', 'PASSWORD_REFUSED');
  });

  it('B-06 N-18 after a fail-over the next write finds the new primary, without an error', async () => {
    const connector = connect({ Server: primaryFirst(), TargetSessionAttrs: 'primary', PoolMaxSize: '2' });
    await Promise.all([1, 2].map(() => connector.execute('execute', { sql: 'select pg_sleep(0.05)' })));
    await pair.standby.query('select pg_promote()');
    await pair.primary.query('alter system set default_transaction_read_only = on');
    await pair.primary.query('select pg_reload_conf()');
    await untilTrue(async () => {
      const [row] = await pair.primary.query<{ state: string }>(
        `select current_setting('default_transaction_read_only') as state`,
      );
      return row?.state === 'on';
    });
    await connector.execute('insert', { table: 'note', rows: [{ id: 42 }] });
    expect(await pair.standby.query('select id from note where id = 42')).to.deep.equal([{ id: 42 }]);
    expect(connector.health().sessionsOpened).to.equal(3);

    // And when the primary is simply gone.
    await pair.primary.query('alter system reset default_transaction_read_only');
    await pair.primary.query('select pg_reload_conf()');
    const other = connect({ Server: primaryFirst(), TargetSessionAttrs: 'primary' });
    await other.execute('select', WHERE);
    await pair.primary.stop();
    await untilTrue(() => other.health().pool.idle === 0);
    await other.execute('insert', { table: 'note', rows: [{ id: 43 }] });
    expect(await pair.standby.query('select id from note where id = 43')).to.deep.equal([{ id: 43 }]);
  });
});
