import { spawnSync } from 'node:child_process';
import { connect as connectSocket, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { expect } from 'chai';
import type { Connector } from '#src/connector.js';
import { failure } from '../support/failure.js';
import { useSandbox } from '../support/use-sandbox.js';

const WHO = { sql: 'select current_user as who, system_user as system' };
const CREDENTIALS = 'POSTGRESQL:INVALID_CREDENTIALS';
const hasCompiler = ['cc', 'gcc'].some(
  (name) => spawnSync(name, ['-E', '-x', 'c', '-'], { input: '#include <sys/socket.h>\n' }).status === 0,
);

describe('login by OAUTHBEARER', function () {
  this.timeout(20_000);
  const use = useSandbox();

  /** A token of the user that is longer than usual, as the groups of its principal make it. */
  const withGroups = async (length: number): Promise<Record<string, string>> => {
    const token = await use.sandbox.control.issueToken({ claims: { set: { groups: 'x'.repeat(length) } } });
    return { InitiateOAuth: 'OFF', OAuthAccessToken: token, OAuthClientSecret: '' };
  };

  describe('at the gate', () => {
    const { connect } = use;
    beforeEach(() => {
      use.sandbox.control.setAuthentication('oauthbearer');
    });

    it('A-07 gives the token over verified TLS', async () => {
      const { rows } = await connect().execute('select', WHO);
      expect(rows).to.have.nested.property('[0].who', use.sandbox.role);
      expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
    });

    it('A-07 a password is not given, and the error names what is expected', async () => {
      const error = await failure(
        connect(use.properties({}, 'password')).execute('select', WHO),
        CREDENTIALS,
        'TOKEN_EXPECTED',
      );
      expect(error.cure).to.include('AuthScheme');
      expect(use.sandbox.control.logins().some(({ passwordReceived }) => passwordReceived)).to.equal(false);
    });

    it('A-02 gives nothing without TLS', async () => {
      use.sandbox.control.setPlaintextOnly(true);
      await failure(connect().execute('select', WHO), 'POSTGRESQL:TLS', 'SERVER_WITHOUT_TLS');
    });

    it('C-17 a token that is refused by OAUTHBEARER is replaced once', async () => {
      const connector = connect({ PoolMaxSize: '1', UseConnectionPooling: 'false' });
      await connector.execute('select', WHO);
      use.sandbox.control.revoke('all');
      await connector.execute('select', WHO);
      expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
      expect(use.sandbox.control.logins().map(({ outcome }) => outcome)).to.deep.equal([
        'accepted',
        'refused',
        'accepted',
      ]);
    });

    it('A-12 tells what the server wants, when it refuses', async () => {
      const error = await failure(
        connect({ User: 'nobody_here' }).execute('select', WHO),
        CREDENTIALS,
        'TOKEN_REFUSED',
      );
      expect(error).to.deep.include({ sqlState: '28000', oauthError: 'invalid_token', retryable: false });
      expect(error.cure).to.include(`${use.sandbox.tenantId}/v2.0/.well-known/openid-configuration`);
      expect(error.cure).to.include('ossrdbms-aad.database.windows.net/.default');
      expect(JSON.stringify(error)).not.to.match(/eyJ[\w-]{10,}\./);
    });

    for (const length of [8_192, 48_000]) {
      it(`A-14 a token with groups of ${String(length)} bytes arrives whole`, async () => {
        const changes = await withGroups(length);
        expect((await connect(changes).execute('select', WHO)).rows).to.have.length(1);
      });
    }
  });

  describe('at PostgreSQL 18 itself (needs gcc and libc6-dev)', () => {
    before(function () {
      if (!hasCompiler) this.skip();
    });

    const login = (
      changes: Record<string, string> = {},
      from: 'oauthbearer' | 'password' = 'oauthbearer',
    ): Connector =>
      use.connect({ ...use.properties({}, from), Port: String(use.sandbox.oauth?.port), ...changes });

    it('A-07 the sandbox has the endpoint', () => {
      expect(use.sandbox.oauthOff).to.equal(undefined);
      expect(use.sandbox.oauth).to.have.keys('host', 'port');
    });

    it('A-07 logs in, and the server knows the principal', async () => {
      const { rows } = await login().execute('select', {
        sql: `select current_user as who, system_user as system,
                (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as encrypted`,
      });
      const system = `oauth:${use.sandbox.objectId}`;
      expect(rows).to.deep.equal([{ who: use.sandbox.role, system, encrypted: true }]);
      expect(use.sandbox.control.logins()).to.have.length(1);
      expect(use.sandbox.control.logins()[0]).to.deep.include({ server: 'oauth', outcome: 'accepted' });
    });

    it('A-07 direct TLS works as well', async () => {
      const { rows } = await login({ SSLNegotiation: 'direct' }).execute('select', WHO);
      expect(rows).to.have.nested.property('[0].who', use.sandbox.role);
    });

    it('C-17 a revoked token is replaced once', async () => {
      const connector = login({ UseConnectionPooling: 'false' });
      await connector.execute('select', WHO);
      use.sandbox.control.revoke('all');
      await connector.execute('select', WHO);
      expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    });

    it('A-12 a refusal says what the server wants', async () => {
      const error = await failure(
        login({ User: 'postgres' }).execute('select', WHO),
        CREDENTIALS,
        'TOKEN_REFUSED',
      );
      expect(error).to.deep.include({ sqlState: '28000', oauthError: 'invalid_token' });
      expect(error.message).to.include('OAuth bearer authentication failed');
      expect(error.cure).to.include(`${use.sandbox.tenantId}/v2.0/.well-known/openid-configuration`);
    });

    it('A-11 an unknown database is DATABASE_UNKNOWN', async () => {
      await failure(
        login({ Database: 'nope' }).execute('select', WHO),
        'POSTGRESQL:INVALID_DATABASE',
        'DATABASE_UNKNOWN',
      );
    });

    for (const length of [8_192, 48_000]) {
      it(`A-14 a token with groups of ${String(length)} bytes logs in`, async () => {
        const changes = await withGroups(length);
        expect((await login(changes).execute('select', WHO)).rows).to.have.length(1);
      });
    }

    it('the endpoint is there again after a restart of the server', async () => {
      const connector = login();
      await connector.execute('select', WHO);
      await use.sandbox.control.restartPostgres();
      expect((await login().execute('select', WHO)).rows).to.have.length(1);
    });

    it('a password proves itself by SCRAM', async () => {
      const { rows } = await login({}, 'password').execute('select', WHO);
      const { user } = use.sandbox.passwordRole;
      expect(rows).to.deep.equal([{ who: user, system: `scram-sha-256:${user}` }]);
      const wrong = login({ Password: 'wrong' }, 'password').execute('select', WHO);
      await failure(wrong, CREDENTIALS, 'PASSWORD_REFUSED');
    });

    it('a password is bound to the certificate: who stands between with another one gets nothing', async () => {
      const relay = await startRelay({
        server: await use.sandbox.serverCertificates.pem('wrong-host'),
        target: use.sandbox.oauth!.port,
      });
      try {
        const changes = { SSLMode: 'verify-ca', Port: String(relay.port) };
        const error = await failure(
          login(changes, 'password').execute('select', WHO),
          CREDENTIALS,
          'PASSWORD_REFUSED',
        );
        expect(error.message).to.include('channel binding');
      } finally {
        await relay.close();
      }
    });
  });
});

/** Ends TLS with a certificate of its own and begins it anew to PostgreSQL, as somebody in the middle would. */
async function startRelay({
  server: certificate,
  target,
}: {
  readonly server: { readonly key: string; readonly cert: string };
  readonly target: number;
}): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const kept = <S extends Socket>(socket: S): S => {
    sockets.add(socket);
    return socket.on('error', () => undefined);
  };
  const secureContext = createSecureContext(certificate);
  const server: Server = createServer((socket) => {
    kept(socket).once('data', () => {
      socket.write('S');
      const client = kept(
        new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['postgresql'] }),
      );
      const onward = kept(connectSocket(target, '127.0.0.1'));
      const database = kept(
        connectTls({ socket: onward, rejectUnauthorized: false, ALPNProtocols: ['postgresql'] }),
      );
      client.pipe(database).pipe(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
