import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import {
  createCertificateAuthority,
  keyFor,
  toEncryptedPem,
  toPem,
  toPfx,
  type CertificateAuthority,
  type IssuedCertificate,
} from '#sandbox/certificates.js';
import { connectionLost, openTransport, type Endpoint } from '#src/connection/transport.js';
import { isConnectorError, type ErrorCode } from '#src/errors.js';
import { Secret } from '#src/settings/secret.js';
import { failure } from '../support/failure.js';
import { useFolder } from '../support/folder.js';
import { echo, endpointOf, gone, startTlsServer, waitOf, type TlsServer } from '../support/tls-server.js';

const PASSWORD = 'cl1ent-p4ssword-that-must-not-show';

describe('the client certificate', function () {
  this.timeout(20_000);
  const folder = useFolder();
  let authority: CertificateAuthority;
  let server: TlsServer;
  let serverPair: { key: string; cert: string };
  let first: IssuedCertificate;
  let second: IssuedCertificate;

  before(async () => {
    authority = await createCertificateAuthority('transport test CA');
    const { keyPem, pem } = await authority.issue({
      ...{ commonName: 'localhost', hosts: ['localhost'], key: await keyFor('servers') },
    });
    serverPair = { key: keyPem, cert: pem };
    server = await startTlsServer({ ...serverPair, ca: authority.pem, requestCert: true });
    first = await authority.issue({ commonName: 'first', key: await keyFor('client') });
    second = await authority.issue({ commonName: 'second', key: await keyFor('client') });
  });
  after(() => server.close());

  const endpoint = (store: string, changes: object = {}, port = server.port): Endpoint => {
    const clientCertificate = {
      store: new Secret(store),
      type: 'AUTO',
      password: undefined,
      subject: '*',
      ...changes,
    };
    return endpointOf(port, { ca: authority.pem, clientCertificate });
  };

  async function shown(to: Endpoint): Promise<string> {
    const socket = await openTransport(to, waitOf());
    const answer = await echo(socket);
    await gone(socket);
    return answer;
  }

  it('N-11 is presented: PEM text, encrypted PEM, PFX', async () => {
    expect(await shown(endpoint(toPem(first)))).to.equal('first: ping');
    const password = new Secret(PASSWORD);
    expect(await shown(endpoint(toEncryptedPem(first, PASSWORD), { password }))).to.equal('first: ping');
    writeFileSync(folder.path('client.pfx'), toPfx(first, PASSWORD));
    expect(await shown(endpoint(folder.path('client.pfx'), { password }))).to.equal('first: ping');
  });

  it('may have an elliptic key (needs openssl)', async function () {
    const [key, cert] = [folder.path('ec.key'), folder.path('ec.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    try {
      execFileSync(
        'openssl',
        ['req', '-x509', ...curve, '-subj', '/CN=elliptic', '-keyout', key, '-out', cert],
        {
          stdio: 'ignore',
        },
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.skip();
      throw error;
    }
    const { readFileSync } = await import('node:fs');
    const store = readFileSync(key, 'utf8') + readFileSync(cert, 'utf8');
    expect(await shown(endpoint(store))).to.equal('elliptic: ping');
  });

  it('is read again when its file changes, and the last good one stays while it cannot be read', async () => {
    const path = folder.path('client.pem');
    writeFileSync(path, toPem(first));
    const to = endpoint(path);
    expect(await shown(to)).to.equal('first: ping');
    writeFileSync(path, toPem(second).slice(0, 300));
    expect(await shown(to)).to.equal('first: ping');
    writeFileSync(path, toPem(second));
    expect(await shown(to)).to.equal('second: ping');
  });

  const unusable: readonly (readonly [what: string, make: () => Endpoint, code: ErrorCode, words: RegExp])[] =
    [
      [
        'a wrong password',
        () => endpoint(toEncryptedPem(first, PASSWORD), { password: new Secret('wrong') }),
        'CLIENT_CERTIFICATE_PASSWORD_WRONG',
        /password/,
      ],
      [
        'no password',
        () => endpoint(toEncryptedPem(first, PASSWORD)),
        'CLIENT_CERTIFICATE_PASSWORD_WRONG',
        /password/,
      ],
      ['no private key', () => endpoint(first.pem), 'CLIENT_CERTIFICATE_UNUSABLE', /no private key/],
      [
        'a subject that it does not hold',
        () => endpoint(toPem(first), { subject: 'CN=nobody' }),
        'CLIENT_CERTIFICATE_UNUSABLE',
        /SSLClientCertSubject/,
      ],
      [
        'a path without a file',
        () => endpoint('/no/such/file.pfx'),
        'PROPERTY_FILE_UNREADABLE',
        /SSLClientCert/,
      ],
    ];
  for (const [what, make, code, words] of unusable)
    it(`N-11 with ${what} is typed, shows nothing secret, and nothing stays open`, async () => {
      const to = make();
      const error = await failure(openTransport(to, waitOf()), 'POSTGRESQL:SETTINGS', code);
      expect(error.message).to.match(words);
      const seen = [
        inspect(error, { depth: Infinity, showHidden: true }),
        JSON.stringify(error),
        inspect(to),
      ].join();
      for (const secret of [PASSWORD, 'PRIVATE KEY', 'OAuthJWT']) expect(seen).not.to.include(secret);
      while (server.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });

  describe('at a server that insists on one (needs openssl)', () => {
    /** What becomes of a connection to `openssl s_server`, which alerts as PostgreSQL does, by `version` of TLS. */
    async function outcome(version: string, clientStore: string | undefined): Promise<unknown> {
      const [key, cert, ca] = ['s.key', 's.pem', 'ca.pem'].map((name) => folder.path(name)) as [
        string,
        string,
        string,
      ];
      writeFileSync(key, serverPair.key);
      writeFileSync(cert, serverPair.cert);
      writeFileSync(ca, authority.pem);
      const port = await freePort();
      const verify = ['-Verify', '2', '-verify_return_error', '-CAfile', ca, version, '-alpn', 'postgresql'];
      const child = spawn('openssl', [
        's_server',
        '-accept',
        `127.0.0.1:${String(port)}`,
        '-key',
        key,
        '-cert',
        cert,
        ...verify,
      ]);
      child.stdin.on('error', () => undefined);
      try {
        for (let text = ''; !text.includes('ACCEPT');) text += String((await once(child.stdout, 'data'))[0]);
        const { tls, ...rest } = endpoint(clientStore ?? '', {}, port);
        const clientCertificate = clientStore === undefined ? undefined : tls.clientCertificate;
        const to: Endpoint = { ...rest, tls: { ...tls, negotiation: 'direct', clientCertificate } };
        const socket = await openTransport(to, waitOf());
        // In TLS 1.3 the alert comes when the client is through already.
        const error = await new Promise((resolve) => socket.resume().once('error', resolve));
        return connectionLost(error, to);
      } catch (error) {
        return error;
      } finally {
        child.kill('SIGKILL');
        await once(child, 'close');
      }
    }

    async function freePort(): Promise<number> {
      const probe = createServer();
      await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', () => resolve()));
      const { port } = probe.address() as AddressInfo;
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }

    const refused = async (error: Promise<unknown>): Promise<void> => {
      const given = await error;
      if (!isConnectorError(given)) throw new Error(String(given));
      expect([given.type, given.code], given.message).to.deep.equal([
        'POSTGRESQL:TLS',
        'CLIENT_CERTIFICATE_REFUSED',
      ]);
    };

    it('N-11 none is typed', () => refused(outcome('-tls1_3', undefined)));

    for (const version of ['-tls1_2', '-tls1_3'])
      it(`N-11 one of an authority that the server does not know is typed (${version})`, async () => {
        const other = await createCertificateAuthority('transport test CA that nobody knows');
        await refused(
          outcome(version, toPem(await other.issue({ commonName: 'x', key: await keyFor('client') }))),
        );
      });
  });
});
