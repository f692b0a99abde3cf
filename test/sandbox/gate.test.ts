import { expect } from 'chai';
import type pg from 'pg';
import { startSandbox, type Application, type Sandbox } from '#sandbox/index.js';
import { httpClient, logIn, loginError, rejection, requestToken, tokenForm } from './clients.js';

describe('sandbox gate', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;
  let other: Application;

  before(async () => {
    sandbox = await startSandbox();
    other = await sandbox.addApplication({ displayName: 'other-flow', role: 'Other Reader' });
  });
  after(() => sandbox.close());
  afterEach(() => sandbox.control.reset());

  const user = async (client: pg.Client): Promise<unknown> => {
    const { rows } = await client.query<{ user: string }>('select current_user as user');
    return rows[0]?.user;
  };

  /** Resolves when a session of the role is busy in PostgreSQL. */
  const sleeping = async (): Promise<void> => {
    const busy =
      "select from pg_stat_activity where usename = $1 and state = 'active' and query like '%pg_sleep%'";
    while ((await sandbox.query(busy, [sandbox.role])).length === 0);
  };

  it('lets the role in whose object id the token has', async () => {
    const client = await logIn(sandbox, await sandbox.control.issueToken(), { application_name: 'a test' });
    expect(await user(client)).to.equal(sandbox.role);
    await client.query('create table own (id bigint primary key); drop table own');
    await client.end();
    const [login] = sandbox.control.logins();
    expect(login).to.include({ role: sandbox.role, database: sandbox.database, outcome: 'accepted' });
    expect(login).to.include({ encrypted: true, passwordReceived: true, applicationName: 'a test' });
  });

  it('takes a token straight from the token endpoint, and names it in its log', async () => {
    const http = httpClient(sandbox);
    const { body } = await requestToken(http, tokenForm(sandbox), sandbox.tenantDomain);
    await http.close();
    await (await logIn(sandbox, String(body['access_token']))).end();
    const [login] = sandbox.control.logins();
    expect(login?.tokenId).to.equal(sandbox.control.requests()[0]?.grant?.tokenId).and.to.be.a('string');
  });

  it('lets another app in as its own role, but not as this one', async () => {
    const token = await sandbox.control.issueToken({ claims: { set: { oid: other.objectId } } });
    const client = await logIn(sandbox, token, { user: other.role });
    expect(await user(client)).to.equal('Other Reader');
    await client.end();
    expect(await loginError(sandbox, token)).to.include({
      code: '28000',
      message: `Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role "${sandbox.role}".`,
    });
  });

  describe('refuses with 28000', () => {
    const refused: readonly { title: string; token: () => Promise<string> | string; message: RegExp }[] = [
      {
        title: 'an expired token',
        token: () => sandbox.control.issueToken({ lifetimeSeconds: 0 }),
        message: /^The access token has expired\./,
      },
      {
        title: 'a token for another resource',
        token: () => sandbox.control.issueToken({ claims: { set: { aud: 'https://graph.microsoft.com' } } }),
        message: /^The access token does not have a valid audience claim\. .*"https:\/\/ossrdbms-aad/,
      },
      {
        title: 'a token of another tenant',
        token: () => sandbox.control.issueToken({ claims: { set: { iss: 'https://sts.windows.net/x/' } } }),
        message: /^An error occurred while validating the access token/,
      },
      {
        title: 'a token of the future',
        token: () => sandbox.control.issueToken({ claims: { set: { nbf: 9_999_999_999 } } }),
        message: /^An error occurred while validating the access token/,
      },
      {
        title: 'a token signed by another key',
        token: () => sandbox.control.issueToken({ signature: 'foreign' }),
        message: /^An error occurred while validating the access token/,
      },
      {
        title: 'a token in quotes',
        token: async () => `"${await sandbox.control.issueToken()}"`,
        message: /^The access token has invalid format\./,
      },
      {
        title: 'an ordinary password',
        token: () => 'hunter2',
        message: /^An error occurred while validating the access token/,
      },
    ];
    for (const { title, token, message } of refused) {
      it(title, async () => {
        const error = await loginError(sandbox, await token());
        expect(error.code).to.equal('28000');
        expect(error.message).to.match(message);
        expect(error.severity).to.equal('FATAL');
        expect(sandbox.control.logins()[0]).to.include({
          outcome: 'refused',
          refusedBy: 'gate',
          sqlState: '28000',
        });
      });
    }

    it('a revoked token, and all tokens issued before', async () => {
      const [first, second, third] = await Promise.all([1, 2, 3].map(() => sandbox.control.issueToken()));
      sandbox.control.revoke(String(first));
      expect((await loginError(sandbox, String(first))).code).to.equal('28000');
      await (await logIn(sandbox, String(second))).end();
      sandbox.control.revoke('all');
      expect((await loginError(sandbox, String(third))).code).to.equal('28000');
      await (await logIn(sandbox, await sandbox.control.issueToken())).end();
    });

    it('a role that does not exist', async () => {
      const error = await loginError(sandbox, await sandbox.control.issueToken(), { user: 'Flow_Reader' });
      expect(error).to.include({ code: '28000', message: 'role "Flow_Reader" does not exist' });
    });
  });

  it('refuses a role that is no Entra role with 28P01', async () => {
    const error = await loginError(sandbox, await sandbox.control.issueToken(), { user: 'postgres' });
    expect(error).to.include({
      code: '28P01',
      message: 'password authentication failed for user "postgres"',
    });
  });

  it('refuses plaintext before it asks for anything', async () => {
    const error = await loginError(sandbox, await sandbox.control.issueToken(), { ssl: false });
    expect(error.code).to.equal('28000');
    expect(error.message).to.equal(
      `no pg_hba.conf entry for host "127.0.0.1", user "${sandbox.role}", database "${sandbox.database}", no encryption`,
    );
    expect(sandbox.control.logins()[0]).to.include({ encrypted: false, passwordReceived: false });
  });

  it('hands on what PostgreSQL itself refuses', async () => {
    const error = await loginError(sandbox, await sandbox.control.issueToken(), { database: 'nowhere' });
    expect(error).to.include({ code: '3D000', message: 'database "nowhere" does not exist' });
    expect(sandbox.control.logins()[0]).to.include({
      outcome: 'refused',
      refusedBy: 'postgres',
      sqlState: '3D000',
    });
  });

  it('notices that a token has expired, but leaves its session open', async () => {
    const token = await sandbox.control.issueToken();
    const client = await logIn(sandbox, token);
    sandbox.control.moveClock(3600);
    expect(await user(client)).to.equal(sandbox.role);
    expect((await loginError(sandbox, token)).message).to.match(/^The access token has expired/);
    await client.end();
  });

  it('takes a long token', async () => {
    const token = await sandbox.control.issueToken({ claims: { set: { groups: 'x'.repeat(30_000) } } });
    expect(token.length).to.be.above(40_000);
    await (await logIn(sandbox, token)).end();
  });

  it('carries much, both ways, unharmed', async () => {
    const client = await logIn(sandbox, await sandbox.control.issueToken());
    const text = 'é'.repeat(2_000_000);
    const { rows } = await client.query<{ text: string }>('select $1::text || $1::text as text', [text]);
    expect(rows[0]?.text === text + text).to.equal(true);
    await client.end();
  });

  it('stands a storm of 100 logins at once', async () => {
    const token = await sandbox.control.issueToken();
    const clients = await Promise.all(Array.from({ length: 100 }, () => logIn(sandbox, token)));
    expect(new Set(await Promise.all(clients.map(user)))).to.deep.equal(new Set([sandbox.role]));
    await Promise.all(clients.map((client) => client.end()));
    expect(sandbox.control.logins().filter(({ outcome }) => outcome === 'accepted')).to.have.length(100);
  });

  describe('told otherwise', () => {
    for (const kind of ['md5', 'scram'] as const) {
      it(`asks for ${kind}, and accepts nothing`, async () => {
        sandbox.control.setAuthentication(kind);
        const error = await loginError(sandbox, 'hunter2');
        expect(error).to.include({ code: '28P01' });
        expect(sandbox.control.logins()[0]).to.include({ passwordReceived: true, sqlState: '28P01' });
      });
    }

    it('asks for nothing', async () => {
      sandbox.control.setAuthentication('trust');
      const client = await logIn(sandbox, 'unused');
      expect(await user(client)).to.equal(sandbox.role);
      await client.end();
      expect(sandbox.control.logins()[0]).to.include({ outcome: 'accepted', passwordReceived: false });
    });

    it('refuses the next logins', async () => {
      const token = await sandbox.control.issueToken();
      sandbox.control.refuseLogins(2, { sqlState: '53300', message: 'sorry, too many clients already' });
      for (let round = 0; round < 2; round += 1) {
        expect(await loginError(sandbox, token)).to.include({
          code: '53300',
          message: 'sorry, too many clients already',
        });
      }
      await (await logIn(sandbox, token)).end();
    });

    it('offers no TLS, and logs whether a token came in the clear', async () => {
      sandbox.control.setPlaintextOnly(true);
      const token = await sandbox.control.issueToken();
      expect((await loginError(sandbox, token)).message).to.match(/does not support SSL/);
      expect(sandbox.control.logins()).to.deep.equal([]);
      await (await logIn(sandbox, token, { ssl: false })).end();
      expect(sandbox.control.logins()[0]).to.include({ encrypted: false, passwordReceived: true });
    });

    it('presents another certificate', async () => {
      const codes = [];
      for (const kind of ['wrong-host', 'expired', 'self-signed', 'unknown-ca'] as const) {
        await sandbox.control.setCertificate('gate', kind);
        codes.push((await loginError(sandbox, 'x')).code);
      }
      expect(codes).to.deep.equal([
        'ERR_TLS_CERT_ALTNAME_INVALID',
        'CERT_HAS_EXPIRED',
        'DEPTH_ZERO_SELF_SIGNED_CERT',
        'SELF_SIGNED_CERT_IN_CHAIN',
      ]);
      expect(sandbox.control.logins()).to.deep.equal([]);
    });

    it('drops sessions', async () => {
      const client = await logIn(sandbox, await sandbox.control.issueToken());
      const query = rejection(client.query('select pg_sleep(30)'));
      expect(sandbox.control.dropSessions()).to.equal(1);
      expect(await query).to.be.instanceOf(Error);
      await (await logIn(sandbox, await sandbox.control.issueToken())).end();
    });

    it('restarts PostgreSQL', async () => {
      const client = await logIn(sandbox, await sandbox.control.issueToken());
      await sandbox.query('create table if not exists kept (id integer)');
      const query = rejection(client.query('select pg_sleep(30)'));
      await sleeping();
      await sandbox.control.restartPostgres();
      expect(await query).to.include({ code: '57P01' });
      expect(await sandbox.query("select to_regclass('kept')::text as kept")).to.deep.equal([
        { kept: 'kept' },
      ]);
      await (await logIn(sandbox, await sandbox.control.issueToken())).end();
    });
  });

  it('works without PostgreSQL up to its door', async () => {
    const small = await startSandbox({ skipPostgres: true });
    try {
      const token = await small.control.issueToken();
      expect(await loginError(small, token)).to.include({ code: '57P03' });
      expect((await loginError(small, 'hunter2')).code).to.equal('28000');
      expect(await rejection(small.query('select 1'))).to.match(/without PostgreSQL/);
    } finally {
      await small.close();
    }
  });

  it('judges tokens by the clock it was given', async () => {
    let ms = Date.parse('2030-01-01T00:00:00Z');
    const small = await startSandbox({ skipPostgres: true, now: () => ms });
    try {
      const token = await small.control.issueToken();
      ms += 3_598_000;
      expect(await loginError(small, token)).to.include({ code: '57P03' });
      ms += 1_000;
      expect((await loginError(small, token)).message).to.match(/expired/);
      expect(small.control.logins()[1]?.at).to.equal(ms);
    } finally {
      await small.close();
    }
  });
});
