import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import forge from 'node-forge';
import {
  createCertificateAuthority,
  keyFor,
  selfSign,
  type CertificateAuthority,
} from '#sandbox/certificates.js';
import { isVerified, openTcp, openTransport, startTls, type Endpoint } from '#src/connection/transport.js';
import type { ErrorCode } from '#src/errors.js';
import { FakeClock } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';
import { echo, endpointOf, gone, startTlsServer, waitOf, type TlsServer } from '../support/tls-server.js';
import { startBudget } from '#src/clock.js';

const TLS = 'POSTGRESQL:TLS';
const CA = 'transport test CA';
const DAY_MS = 86_400_000;

interface Pair {
  readonly key: string;
  readonly cert: string;
}

describe('TLS to the server', function () {
  this.timeout(20_000);
  let authority: CertificateAuthority;
  let valid: Pair;
  let server: TlsServer;

  before(async () => {
    authority = await createCertificateAuthority(CA);
    valid = await issue({ hosts: ['localhost', '127.0.0.1'] });
  });
  beforeEach(async () => {
    server = await startTlsServer(valid);
  });
  afterEach(() => server.close());

  const key = () => keyFor('servers');
  async function issue(request: { hosts: string[]; notBefore?: Date; notAfter?: Date }): Promise<Pair> {
    const { keyPem, pem, chainPem } = await authority.issue({
      commonName: 'localhost',
      key: await key(),
      ...request,
    });
    return { key: keyPem, cert: pem + chainPem };
  }

  /** A server certificate with these alternative names and no others, which may be none at all. */
  async function issueRaw(extensions: object[]): Promise<Pair> {
    const leaf = forge.pki.createCertificate();
    const { privateKey, publicKey } = await key();
    leaf.publicKey = forge.pki.publicKeyFromPem(publicKey);
    leaf.serialNumber = '0123';
    leaf.validity.notBefore = new Date(Date.now() - DAY_MS);
    leaf.validity.notAfter = new Date(Date.now() + DAY_MS);
    leaf.setSubject([{ name: 'commonName', value: 'localhost' }]);
    leaf.setIssuer(forge.pki.certificateFromPem(authority.pem).subject.attributes);
    leaf.setExtensions([{ name: 'extKeyUsage', serverAuth: true }, ...extensions]);
    leaf.sign(forge.pki.privateKeyFromPem((await keyFor(CA)).privateKey), forge.md.sha256.create());
    return { key: privateKey, cert: forge.pki.certificateToPem(leaf) };
  }

  const endpoint = (tls: Partial<Endpoint['tls']> = {}, changes: Partial<Endpoint> = {}): Endpoint =>
    endpointOf(server.port, { ca: authority.pem, ...tls }, changes);
  const thumbprint = (pem: string): string => new X509Certificate(pem).fingerprint256.replaceAll(':', '');

  /** TLS with the server of this test as if its name were `host`. */
  async function tlsAs(host: string): Promise<unknown> {
    const socket = await openTcp(endpoint(), waitOf());
    return startTls(socket, endpoint({}, { host }), waitOf());
  }

  async function connects(to: Endpoint): Promise<void> {
    const socket = await openTransport(to, waitOf());
    expect(isVerified(socket, to.tls)).to.equal(true);
    expect(await echo(socket)).to.equal('ping');
    await gone(socket);
  }

  for (const negotiation of ['postgres', 'direct'] as const)
    it(`connects to a verified server (${negotiation})`, () => connects(endpoint({ negotiation })));

  describe('N-06 refuses a certificate that', () => {
    const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
    const cases: readonly (readonly [
      what: string,
      make: () => Promise<Pair>,
      code: ErrorCode,
      host?: string,
    ])[] = [
      [
        'signed itself',
        async () => {
          const { keyPem, pem } = await selfSign({
            commonName: 'localhost',
            hosts: ['localhost'],
            key: await key(),
          });
          return { key: keyPem, cert: pem };
        },
        'SERVER_CERTIFICATE_UNTRUSTED',
      ],
      [
        'comes from an unknown authority',
        async () => {
          const other = await createCertificateAuthority('transport test CA that nobody knows');
          const { keyPem, pem, chainPem } = await other.issue({
            ...{ commonName: 'localhost', hosts: ['localhost'], key: await key() },
          });
          return { key: keyPem, cert: pem + chainPem };
        },
        'SERVER_CERTIFICATE_UNTRUSTED',
      ],
      [
        'has expired',
        () => issue({ hosts: ['localhost'], notAfter: inDays(-1) }),
        'SERVER_CERTIFICATE_EXPIRED',
      ],
      [
        'is not valid yet',
        () => issue({ hosts: ['localhost'], notBefore: inDays(1), notAfter: inDays(9) }),
        'SERVER_CERTIFICATE_EXPIRED',
      ],
      ['is for another host', () => issue({ hosts: ['other.example'] }), 'SERVER_HOST_NAME_MISMATCH'],
      [
        'holds another address than the one that was dialled',
        () => issue({ hosts: ['localhost', '127.0.0.2'] }),
        'SERVER_HOST_NAME_MISMATCH',
        '127.0.0.1',
      ],
      [
        'holds the dialled address as a name only',
        () => issueRaw([{ name: 'subjectAltName', altNames: [{ type: 2, value: '127.0.0.1' }] }]),
        'SERVER_HOST_NAME_MISMATCH',
        '127.0.0.1',
      ],
      [
        'has another alternative name and the host as its common name',
        () => issue({ hosts: ['other.example'] }),
        'SERVER_HOST_NAME_MISMATCH',
      ],
      [
        'has alternative names without one of a host',
        () => issueRaw([{ name: 'subjectAltName', altNames: [{ type: 6, value: 'urn:x' }] }]),
        'SERVER_HOST_NAME_MISMATCH',
        '127.0.0.1',
      ],
      [
        'has an empty list of alternative names',
        () => issueRaw([{ name: 'subjectAltName', altNames: [] }]),
        'SERVER_HOST_NAME_MISMATCH',
        'other.example',
      ],
      [
        'stands for names one level higher',
        () => issue({ hosts: ['*.example.org'] }),
        'SERVER_HOST_NAME_MISMATCH',
        'a.b.example.org',
      ],
      [
        'stands for all names of a top level',
        () => issue({ hosts: ['*.org'] }),
        'SERVER_HOST_NAME_MISMATCH',
        'example.org',
      ],
      [
        'has a wildcard inside of a label below the first',
        () => issue({ hosts: ['db.*.org'] }),
        'SERVER_HOST_NAME_MISMATCH',
        'db.example.org',
      ],
    ];
    for (const [what, make, code, host = 'localhost'] of cases)
      it(what, async () => {
        server.options = await make();
        const error = await failure(tlsAs(host), TLS, code);
        expect(error.message).to.include(host);
      });

    it('holds no name but a common name, when the host is an address', async () => {
      server.options = await issueRaw([]);
      await failure(tlsAs('127.0.0.1'), TLS, 'SERVER_HOST_NAME_MISMATCH');
    });
  });

  it('N-06 takes a wildcard for one level', async () => {
    server.options = await issue({ hosts: ['*.example.org'] });
    await gone((await tlsAs('db.example.org')) as never);
  });

  it('N-07 verify-ca without an authority of its own trusts those of Node.js only', async () => {
    await failure(
      openTransport(endpoint({ mode: 'verify-ca', ca: undefined }), waitOf()),
      TLS,
      'SERVER_CERTIFICATE_UNTRUSTED',
    );
  });

  it('N-07 verify-ca looks at the chain and not at the name', async () => {
    server.options = await issue({ hosts: ['other.example'] });
    const to = endpoint({ mode: 'verify-ca' });
    const socket = await openTransport(to, waitOf());
    expect(isVerified(socket, to.tls)).to.equal(false);
    await gone(socket);
  });

  it('N-08 a mode below verify-full never counts as verified', async () => {
    for (const mode of ['require', 'verify-ca'] as const) {
      const to = endpoint({ mode });
      const socket = await openTransport(to, waitOf());
      expect(isVerified(socket, to.tls), mode).to.equal(false);
      await gone(socket);
    }
    const clear = endpoint({ mode: 'disable' });
    const socket = await openTransport(clear, waitOf());
    expect(isVerified(socket, clear.tls)).to.equal(false);
    await gone(socket);
  });

  for (const version of ['TLSv1', 'TLSv1.1'] as const)
    it(`N-09 refuses a server that speaks ${version} only`, async () => {
      server.options = { ...valid, minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
      await failure(openTransport(endpoint(), waitOf()), TLS, 'TLS_FAILED');
    });

  it('N-09 refuses a Diffie-Hellman group of 1024 bits, and takes one of 2048', async () => {
    const ciphers = 'DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0';
    server.options = { ...valid, maxVersion: 'TLSv1.2', ciphers, dhparam: DH_1024 };
    const error = await failure(openTransport(endpoint(), waitOf()), TLS, 'TLS_FAILED');
    expect(error.message).to.include('ERR_TLS_DH_PARAM_SIZE');
    server.options = { ...valid, maxVersion: 'TLSv1.2', ciphers, dhparam: 'auto' };
    await connects(endpoint());
  });

  describe('the answer to the request', () => {
    it('N-03 `N` ends it, and nothing but the request was sent', async () => {
      server.options = { ...valid, answer: Buffer.from('N') };
      await failure(openTransport(endpoint(), waitOf()), TLS, 'SERVER_WITHOUT_TLS');
      expect(Buffer.concat(server.clear).toString('hex')).to.equal('0000000804d2162f');
    });

    const violations: readonly (readonly [row: string, answer: Buffer])[] = [
      ['N-04 `S` with bytes stuffed in behind it', Buffer.from('SR\0\0\0\x08\0\0\0\0')],
      [
        'N-05 an error (its text is shown to nobody, since anybody could have written it)',
        Buffer.from('ESFATAL\0M<b>\0\0'),
      ],
      ['something else', Buffer.from('X')],
    ];
    for (const [what, answer] of violations)
      it(`${what} ends it`, async () => {
        server.options = { ...valid, answer };
        const error = await failure(
          openTransport(endpoint(), waitOf()),
          'POSTGRESQL:PROTOCOL_VIOLATION',
          'PROTOCOL_VIOLATION',
        );
        expect(error.message).not.to.include('<b>');
      });

    it('N-02 silence ends at the deadline, and the socket with it', async () => {
      server.options = { ...valid, answer: 'silence' };
      const error = await failure(
        openTransport(endpoint(), waitOf(100)),
        'POSTGRESQL:CANNOT_REACH',
        'CONNECT_TIMEOUT',
      );
      expect(error.message).to.include('the TLS request');
      while (server.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  });

  for (const during of ['reset', 'end'] as const)
    it(`a connection that the server ${during === 'end' ? 'ends' : 'resets'} during the handshake may be tried again`, async () => {
      server.options = { ...valid, handshake: during };
      const lost = await failure(
        openTransport(endpoint(), waitOf()),
        'POSTGRESQL:CONNECTIVITY',
        'CONNECTION_LOST',
      );
      expect(lost.retryable).to.equal(true);
    });

  it('a name with a dot at its end is asked for and verified without it', async () => {
    const socket = (await tlsAs('localhost.')) as TLSSocket;
    await echo(socket);
    await gone(socket);
    expect(server.names).to.deep.equal(['localhost']);
  });

  describe('N-12 direct TLS', () => {
    for (const [what, answer] of [
      ['closes', 'end'],
      ['answers an error in clear', Buffer.from('EFATAL:  unsupported frontend protocol\n\0')],
    ] as const)
      it(`to a server that ${what} is typed, and nothing is sent in clear`, async () => {
        server.options = { ...valid, answer };
        const to = endpoint({ negotiation: 'direct' });
        const error = await failure(openTransport(to, waitOf()), TLS, 'DIRECT_TLS_REFUSED');
        expect(error.cure).to.include('SSLNegotiation=postgres');
        expect(server.counts.connections).to.equal(1);
        expect(server.clear.every(([first]) => first === 0x16)).to.equal(true);
      });

    it('to a server of another protocol is refused', async () => {
      server.options = { ...valid, protocols: ['h2'] };
      const error = await failure(
        openTransport(endpoint({ negotiation: 'direct' }), waitOf()),
        TLS,
        'TLS_FAILED',
      );
      expect(error.message).to.match(/ALPN|protocol/i);
    });
  });

  describe('a pinned certificate', () => {
    it('is verification by itself, whoever issued it and for whatever name', async () => {
      const { keyPem, pem } = await selfSign({ commonName: 'x', hosts: ['other.example'], key: await key() });
      server.options = { key: keyPem, cert: pem };
      await connects(endpoint({ ca: undefined, pins: ['0'.repeat(64), thumbprint(pem)] }));
    });

    it('refuses every other one, a trusted one too, and tells its thumbprint', async () => {
      const to = endpoint({ pins: ['0'.repeat(64)] });
      const error = await failure(openTransport(to, waitOf()), TLS, 'SERVER_CERTIFICATE_NOT_PINNED');
      expect(error.message).to.include(thumbprint(valid.cert));
    });

    it('is refused when it has expired', async () => {
      server.options = await issue({ hosts: ['localhost'], notAfter: new Date(Date.now() - DAY_MS) });
      const pins = [thumbprint(String(server.options.cert))];
      await failure(openTransport(endpoint({ pins }), waitOf()), TLS, 'SERVER_CERTIFICATE_EXPIRED');
    });
  });

  describe('resumption', () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
      it(`goes on with the session of the last connection (${maxVersion}), as verified as that one`, async () => {
        server.options = { ...valid, maxVersion };
        const to = endpoint();
        for (let count = 0; count < 3; count += 1) await connects(to);
        expect(server.counts).to.deep.equal({ connections: 3, resumed: 2 });
        const socket = await openTransport(to, waitOf());
        if (!(socket instanceof TLSSocket)) throw new Error('it is not encrypted');
        expect(socket.isSessionReused()).to.equal(true);
        // What channel binding and the log need.
        expect(socket.getPeerCertificate().raw.equals(new X509Certificate(valid.cert).raw)).to.equal(true);
        await gone(socket);
      });

    it('keeps the pin: a resumed session still tells the certificate it began with', async () => {
      const to = endpoint({ pins: [thumbprint(valid.cert)] });
      await connects(to);
      await connects(to);
      expect(server.counts.resumed).to.equal(1);
    });

    it('never carries over to other settings, not even to equal ones', async () => {
      await connects(endpoint({ mode: 'verify-full' }));
      const weak = endpoint({ mode: 'require', ca: undefined });
      await gone(await openTransport(weak, waitOf()));
      const strict = endpoint({ ca: undefined });
      await failure(openTransport(strict, waitOf()), TLS, 'SERVER_CERTIFICATE_UNTRUSTED');
      expect(server.counts.resumed).to.equal(0);
    });

    it('is not offered under another name of the same server', async () => {
      const tls = endpoint().tls;
      await connects({ ...endpoint(), tls });
      await connects({ ...endpoint(), tls, host: '127.0.0.1' });
      expect(server.counts.resumed).to.equal(0);
    });

    it('has the certificate shown again after an hour', async () => {
      const clock = new FakeClock(Date.now());
      const to = endpoint();
      const visit = async (): Promise<void> => {
        const socket = await openTransport(to, { clock, budget: startBudget(clock, 5_000) });
        await echo(socket);
        await gone(socket);
      };
      await visit();
      clock.advance(3_599_000);
      await visit();
      expect(server.counts.resumed).to.equal(1);
      clock.advance(2_000);
      await visit();
      expect(server.counts.resumed).to.equal(1);
    });

    it('is not offered once the certificate has expired, so that a renewed one is shown', async () => {
      // The server takes its tickets also after the renewal, as one that keeps their key does.
      const ticketKeys = Buffer.alloc(48, 1);
      const short = await issue({ hosts: ['localhost'], notAfter: new Date(Date.now() + 60_000) });
      server.options = { ...short, ticketKeys };
      const clock = new FakeClock(Date.now());
      const to = endpoint();
      const wait = () => ({ clock, budget: startBudget(clock, 5_000) });
      const socket = await openTransport(to, wait());
      await echo(socket);
      await gone(socket);
      const { cert } = await issue({ hosts: ['localhost'] });
      server.options = { ...short, cert, ticketKeys };
      clock.advance(120_000);
      const renewed = await openTransport(to, wait());
      if (!(renewed instanceof TLSSocket)) throw new Error('it is not encrypted');
      expect(renewed.isSessionReused()).to.equal(false);
      expect(renewed.getPeerCertificate().raw.equals(new X509Certificate(cert).raw)).to.equal(true);
      await gone(renewed);
    });

    it('is not offered once a pinned certificate has expired, which is refused', async () => {
      server.options = await issue({ hosts: ['localhost'], notAfter: new Date(Date.now() + 60_000) });
      const clock = new FakeClock(Date.now());
      const to = endpoint({ pins: [thumbprint(String(server.options.cert))] });
      const wait = () => ({ clock, budget: startBudget(clock, 5_000) });
      const socket = await openTransport(to, wait());
      await echo(socket);
      await gone(socket);
      clock.advance(120_000);
      await failure(openTransport(to, wait()), TLS, 'SERVER_CERTIFICATE_EXPIRED');
      expect(server.counts.resumed).to.equal(0);
    });

    for (const negotiation of ['postgres', 'direct'] as const)
      it(`a server that fails over a session is asked without one in the same wait, and offered none for an hour (${negotiation})`, async () => {
        // OpenSSL breaks resumptions off then, for want of a session id context.
        server.options = { ...valid, requestCert: true };
        const clock = new FakeClock(Date.now());
        const to = endpoint({ negotiation });
        const visit = async (): Promise<number> => {
          const socket = await openTransport(to, { clock, budget: startBudget(clock, 5_000) });
          expect(isVerified(socket, to.tls)).to.equal(true);
          await echo(socket);
          await gone(socket);
          return server.counts.connections;
        };
        expect([await visit(), await visit(), await visit()]).to.deep.equal([1, 3, 4]);
        clock.advance(3_601_000);
        expect([await visit(), await visit(), await visit()]).to.deep.equal([5, 7, 8]);
      });

    it('a server that fails with and without a session is asked twice, then once', async () => {
      const to = endpoint();
      await connects(to);
      server.options = { ...valid, minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' };
      await failure(openTransport(to, waitOf()), TLS, 'TLS_FAILED');
      expect(server.counts.connections).to.equal(3);
      await failure(openTransport(to, waitOf()), TLS, 'TLS_FAILED');
      expect(server.counts.connections).to.equal(4);
      server.options = valid;
      await connects(to);
      await connects(to);
      expect(server.counts).to.deep.equal({ connections: 6, resumed: 1 });
    });
  });

  it('N-10 refuses a man in the middle who swaps the certificate on the second connection', async () => {
    const to = endpoint();
    await connects(to);
    const { keyPem, pem } = await selfSign({
      commonName: 'localhost',
      hosts: ['localhost'],
      key: await key(),
    });
    server.options = { key: keyPem, cert: pem };
    await failure(openTransport(to, waitOf()), TLS, 'SERVER_CERTIFICATE_UNTRUSTED');
    server.options = valid;
    await connects(to);
  });

  it('an authority that cannot be read verifies nobody, and nothing stays open', async () => {
    const ca = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    await failure(openTransport(endpoint({ ca }), waitOf()), TLS, 'SERVER_CERTIFICATE_UNTRUSTED');
    while (server.open > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

// Made by "openssl dhparam -2 1024".
const DH_1024 = `-----BEGIN DH PARAMETERS-----
MIGHAoGBAOoNeIhefEJbJnmMIhU2fXWYHVfSo5jIvdJGt6KvEDUn0F0WqGG334x5
ZTJUvIxjWrb6rOoZw8vP6wGky+NdMsxG10S5qWQYEltfJyZwhr3JOmkzM//7VSWj
lVHCdZK/GjCLDQbJqxByXB/XPO4NzW7kaduRmH2e1zR4capKBjJfAgEC
-----END DH PARAMETERS-----
`;
