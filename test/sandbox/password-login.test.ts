import { expect } from 'chai';
import pg from 'pg';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { logIn, loginError } from './clients.js';

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

  it('need no password with trust, and are refused by gss and sspi', async () => {
    sandbox.control.setAuthentication('trust');
    await (await logIn(sandbox, '', { user: sandbox.passwordRole.user })).end();
    sandbox.control.setAuthentication('azure');
    expect((await refusal('wrong')).code).to.equal('28P01');
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
