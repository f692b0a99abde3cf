import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import pg from 'pg';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { logIn, loginError, rejection } from './clients.js';

describe('sandbox password roles', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());
  afterEach(() => sandbox.control.reset());

  const enter = () => logIn(sandbox, sandbox.passwordRole.password, { user: sandbox.passwordRole.user });
  const refusal = (password: string) => loginError(sandbox, password, { user: sandbox.passwordRole.user });

  /** The names of the authentication messages that the server sends. */
  const asked = async (): Promise<readonly string[]> => {
    const client = new pg.Client({
      host: 'localhost',
      port: sandbox.gate.port,
      database: sandbox.database,
      ssl: { ca: sandbox.authority.ca },
      ...sandbox.passwordRole,
    });
    const names: string[] = [];
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
    const known = ['authenticationCleartextPassword', 'authenticationMD5Password', 'authenticationSASL'];
    for (const name of known) connection.on(name, () => names.push(name));
    await client.connect();
    await client.end();
    return names;
  };

  it('log in by SCRAM, verified by PostgreSQL, and may work', async () => {
    expect(await asked()).to.deep.equal(['authenticationSASL']);
    const client = await enter();
    await client.query('create table by_password (id bigint); drop table by_password');
    await client.end();
    expect(sandbox.control.logins().at(-1)).to.include({
      role: sandbox.passwordRole.user,
      outcome: 'accepted',
      passwordReceived: true,
    });
  });

  for (const [kind, message] of [
    ['md5', 'authenticationMD5Password'],
    ['cleartext', 'authenticationCleartextPassword'],
    ['scram', 'authenticationSASL'],
  ] as const) {
    it(`log in by ${kind} when told to, several at once, and not with a wrong password`, async () => {
      sandbox.control.setAuthentication(kind);
      const clients = await Promise.all([enter(), enter(), enter()]);
      await Promise.all(clients.map((client) => client.end()));
      expect(await asked()).to.deep.equal([message]);
      expect((await refusal('wrong')).code).to.equal('28P01');
      expect(sandbox.control.logins().at(-1)).to.include({ outcome: 'refused', refusedBy: 'postgres' });
    });
  }

  it('need no password with trust, and need it again afterwards', async () => {
    sandbox.control.setAuthentication('trust');
    await (await logIn(sandbox, '', { user: sandbox.passwordRole.user })).end();
    for (const kind of ['azure', 'scram', 'scram-plus'] as const) {
      sandbox.control.setAuthentication(kind);
      expect((await refusal('wrong')).code, kind).to.equal('28P01');
    }
  });

  describe('by SCRAM-SHA-256-PLUS', () => {
    const bound = (password = sandbox.passwordRole.password) =>
      logIn(sandbox, password, { user: sandbox.passwordRole.user, enableChannelBinding: true });

    beforeEach(() => sandbox.control.setAuthentication('scram-plus'));

    it('log in with a channel bound to the certificate of the gate', async () => {
      await (await bound()).end();
      expect(sandbox.control.logins()[0]).to.include({ outcome: 'accepted', passwordReceived: true });
      expect(await rejection(bound('wrong'))).to.include({ code: '28P01' });
    });

    it('are refused without channel binding, and with one to another certificate', async () => {
      expect((await refusal(sandbox.passwordRole.password)).code).to.equal('28P01');
      const client = new pg.Client({
        host: 'localhost',
        port: sandbox.gate.port,
        database: sandbox.database,
        ssl: { ca: sandbox.authority.ca },
        enableChannelBinding: true,
        ...sandbox.passwordRole,
      });
      const { connection } = client as unknown as {
        connection: { stream: { getPeerCertificate(): object } };
      };
      client.once('error', () => undefined);
      (connection as unknown as NodeJS.EventEmitter).prependOnceListener('authenticationSASL', () => {
        const raw = new X509Certificate(sandbox.authority.ca).raw;
        connection.stream.getPeerCertificate = () => ({ raw });
      });
      expect(await rejection(client.connect())).to.include({ code: '28P01' });
      await client.end();
    });

    it('log in after MD5, too', async () => {
      sandbox.control.setAuthentication('md5');
      await (await enter()).end();
      sandbox.control.setAuthentication('scram-plus');
      await (await bound()).end();
    });
  });

  it('are refused by script, after the password came', async () => {
    sandbox.control.refuseLogins(1, { sqlState: '53300', message: 'too many' });
    expect(await refusal(sandbox.passwordRole.password)).to.include({ code: '53300' });
    expect(sandbox.control.logins()[0]).to.include({ refusedBy: 'gate', passwordReceived: true });
    await (await enter()).end();
  });

  it('take no token, and a role of a test is one as soon as it has a password', async () => {
    expect((await refusal(await sandbox.control.issueToken())).code).to.equal('28P01');
    await sandbox.query("create role of_a_test login password 'known'");
    await (await logIn(sandbox, 'known', { user: 'of_a_test' })).end();
    await sandbox.query("drop role of_a_test; create role of_a_test login password 'other'");
    expect((await loginError(sandbox, 'known', { user: 'of_a_test' })).code).to.equal('28P01');
  });

  it('leave the ways of roles with an Entra mapping as they are', async () => {
    const token = await sandbox.control.issueToken();
    await (await logIn(sandbox, token)).end();
    sandbox.control.setAuthentication('scram');
    expect((await loginError(sandbox, token)).code).to.equal('28P01');
  });

  it('T-25 an opaque token opens its role like the JWT it stands for, until it is revoked', async () => {
    sandbox.control.setTokenFormat('opaque');
    const token = await sandbox.control.issueToken();
    expect(token).not.to.include('.');
    await (await logIn(sandbox, token)).end();
    sandbox.control.revoke(token);
    expect((await loginError(sandbox, token)).code).to.equal('28000');
  });
});
