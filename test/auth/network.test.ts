import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { createCertificateAuthority, keyFor, selfSign, type KeyPair } from '#sandbox/certificates.js';
import { environmentNotes } from '#src/settings/environment.js';
import { createNetwork, type Network } from '#src/auth/network.js';
import { startBudget, systemClock } from '#src/clock.js';
import { ConnectorError, type ErrorCode, type ErrorType } from '#src/errors.js';
import { withUnverifiedTls } from '../support/environment.js';
import { failure } from '../support/failure.js';
import { FakeClock } from '../support/fake-clock.js';
import { startHttpsAuthority, type HttpsAuthority } from '../support/https-authority.js';
import { untilTrue } from '../support/use-sandbox.js';

const run = promisify(execFile);

const CORRELATION_ID = '11111111-2222-4333-8444-555555555555';
const NO_PROXY = { kind: 'none' } as const;
const UNREACHABLE = ['POSTGRESQL:CANNOT_REACH', 'AUTHORITY_UNREACHABLE'] as const;
const NOT_VERIFIED = ['POSTGRESQL:TLS', 'AUTHORITY_NOT_VERIFIED'] as const;
const MALFORMED = ['POSTGRESQL:AUTHENTICATION', 'TOKEN_RESPONSE_MALFORMED'] as const;
const TIMEOUT = ['POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT'] as const;

describe('network to the authority', () => {
  let ca = '';
  let key: KeyPair;
  let authority: HttpsAuthority;
  let network: Network;

  before(async () => {
    const issuer = await createCertificateAuthority();
    key = await keyFor('servers');
    const { pem } = await issuer.issue({ commonName: 'localhost', hosts: ['localhost'], key });
    ca = issuer.pem;
    authority = await startHttpsAuthority({ key: key.privateKey, cert: pem });
  });
  after(() => authority.close());

  beforeEach(() => {
    authority.answer = (_, response) => response.end('{}');
    network = createNetwork({ ca, proxy: NO_PROXY, clock: systemClock });
  });
  afterEach(async () => {
    await network.close();
    await untilTrue(() => authority.open === 0);
  });

  const send = (options: { port?: number; host?: string; budgetMs?: number; via?: Network } = {}) => {
    const { port = authority.port, host = 'localhost', budgetMs = 30_000, via = network } = options;
    return via.send(
      {
        method: 'POST',
        url: `https://${host}:${String(port)}/token`,
        headers: { 'client-request-id': CORRELATION_ID },
        body: 'grant_type=client_credentials',
      },
      { budget: startBudget(systemClock, budgetMs) },
    );
  };

  it('gives the answer with the headers that judging it takes', async () => {
    authority.answer = (_, response) => {
      response
        .writeHead(429, {
          'content-type': 'application/json',
          'RETRY-AFTER': '7',
          age: '12',
          date: 'Sat, 21 Nov 2026 00:00:30 GMT',
          'x-ms-request-id': 'a_B-9',
        })
        .end('{"a":"ä"}');
    };
    const { headerNames, ...answer } = await send();
    expect(headerNames).to.include.members(['retry-after', 'x-ms-request-id']);
    expect(answer).to.deep.equal({
      host: `localhost:${String(authority.port)}`,
      status: 429,
      contentType: 'application/json',
      body: '{"a":"ä"}',
      retryAfter: '7',
      date: 'Sat, 21 Nov 2026 00:00:30 GMT',
      age: '12',
      requestId: 'a_B-9',
    });
  });

  for (const id of ['a b', 'x'.repeat(65), '<script>']) {
    it(`takes ${id.slice(0, 10)} for no request id`, async () => {
      authority.answer = (_, response) => response.setHeader('x-ms-request-id', id).end('{}');
      expect((await send()).requestId).to.equal(undefined);
    });
  }

  it('asks both times over one connection', async () => {
    const before = authority.names.length;
    await send();
    await send();
    expect(authority.names.slice(before)).to.deep.equal(['localhost']);
  });

  const REDIRECTS = [301, 302, 303, 307, 308];
  for (const status of REDIRECTS) {
    it(`T-27 D-07 ${String(status)} is not followed`, async () => {
      const seen: (string | undefined)[] = [];
      authority.answer = ({ url }, response) => {
        seen.push(url);
        response.writeHead(status, { location: '/elsewhere' }).end();
      };
      const error = await failure(send(), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_REDIRECTED');
      expect(error.correlationId).to.equal(CORRELATION_ID);
      expect(seen).to.deep.equal(['/token']);
    });
  }

  it('D-01 sends nothing to an address without TLS', async () => {
    const url = `http://localhost:${String(authority.port)}/token`;
    const sent = network.send({ method: 'GET', url }, { budget: startBudget(systemClock, 30_000) });
    await failure(sent, ...NOT_VERIFIED);
  });

  describe('certificates of the authority', () => {
    const DAY_MS = 86_400_000;
    const hosts = ['localhost'];
    const issue = async (request: object, issuer?: string) =>
      (await createCertificateAuthority(issuer)).issue({ commonName: 'localhost', hosts, key, ...request });
    const WRONG: readonly (readonly [title: string, make: () => Promise<{ pem: string }>])[] = [
      ['self-signed', () => selfSign({ commonName: 'localhost', hosts, key })],
      ['for another host', () => issue({ hosts: ['elsewhere.example'] })],
      ['expired', () => issue({ notAfter: new Date(Date.now() - DAY_MS) })],
      ['of an unknown CA', () => issue({}, 'another CA')],
    ];
    for (const [title, make] of WRONG) {
      for (const disabled of [false, true]) {
        const suffix = disabled ? ', NODE_TLS_REJECT_UNAUTHORIZED=0 notwithstanding' : '';
        it(`D-10 ${disabled ? 'P-27 ' : ''}one that is ${title} is refused${suffix}`, async () => {
          const cert = (await make()).pem;
          const other = await startHttpsAuthority({ key: key.privateKey, cert });
          try {
            const attempt = async (): Promise<void> => {
              const error = await failure(send({ port: other.port }), ...NOT_VERIFIED);
              expect(error.correlationId).to.equal(CORRELATION_ID);
            };
            await (disabled ? withUnverifiedTls(attempt) : attempt());
            await untilTrue(() => other.open === 0);
          } finally {
            await other.close();
          }
        });
      }
    }

    it('D-10 TLS 1.1 is refused', async () => {
      const { pem } = await issue({});
      const old = await startHttpsAuthority({
        key: key.privateKey,
        cert: pem,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      try {
        await failure(send({ port: old.port }), ...NOT_VERIFIED);
      } finally {
        await old.close();
      }
    });

    it('P-27 NODE_EXTRA_CA_CERTS counts where no CA is given, and only there', async () => {
      expect(await sendElsewhere(authority.port, ca, undefined)).to.equal('200');
      const unrelated = (await createCertificateAuthority('another CA')).pem;
      expect(await sendElsewhere(authority.port, ca, unrelated)).to.equal('AUTHORITY_NOT_VERIFIED');
    });

    for (const broken of ['', 'no PEM', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      it(`trusts nobody with the CA ${JSON.stringify(broken)}`, async () => {
        const via = createNetwork({ ca: broken, proxy: NO_PROXY, clock: systemClock });
        await failure(send({ via }), ...NOT_VERIFIED);
        await untilTrue(() => authority.open === 0);
        await via.close();
      });
    }

    it('trusts none but the given CA', async () => {
      const via = createNetwork({ ca: undefined, proxy: NO_PROXY, clock: systemClock });
      await failure(send({ via }), ...NOT_VERIFIED);
      await via.close();
    });
  });

  it('P-27 tells that NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect', () => {
    expect(environmentNotes({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).to.have.length(1);
    expect(environmentNotes({ NODE_TLS_REJECT_UNAUTHORIZED: '1' })).to.deep.equal([]);
  });

  it('T-08 D-09 a refused connection and an unknown name are retryable', async () => {
    const gone = await startHttpsAuthority({});
    await gone.close();
    const refused = await failure(send({ port: gone.port }), ...UNREACHABLE);
    expect(refused.message).to.include('ECONNREFUSED');
    const unknown = await failure(send({ host: 'nobody.invalid' }), ...UNREACHABLE);
    expect([refused.retryable, unknown.retryable]).to.deep.equal([true, true]);
    expect(unknown.correlationId).to.equal(CORRELATION_ID);
  });

  const HANGS: readonly (readonly [title: string, answer: HttpsAuthority['answer']])[] = [
    ['before the headers', ({ socket }) => socket.destroy()],
    [
      'in the middle of the body',
      ({ socket }, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"access', () => socket.destroy());
      },
    ],
  ];
  for (const [title, answer] of HANGS) {
    it(`T-08 a connection that breaks ${title} is retryable`, async () => {
      authority.answer = answer;
      expect((await failure(send(), ...UNREACHABLE)).retryable).to.equal(true);
    });
  }

  it('T-08 a connection that breaks before TLS is retryable', async () => {
    const server = createServer((socket) => socket.resetAndDestroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await failure(send({ port: (server.address() as AddressInfo).port }), ...UNREACHABLE);
    server.close();
  });

  const SLOW: readonly (readonly [title: string, answer: HttpsAuthority['answer']])[] = [
    ['T-09 no answer', () => undefined],
    [
      'T-10 one byte now and then',
      (_, response) => {
        const drip = setInterval(() => response.write(' '), 20);
        response.on('close', () => {
          clearInterval(drip);
        });
      },
    ],
  ];
  for (const [title, answer] of SLOW) {
    it(`${title} ends with the budget`, async () => {
      authority.answer = answer;
      const startedAt = performance.now();
      const error = await failure(send({ budgetMs: 150 }), ...TIMEOUT);
      expect(performance.now() - startedAt).to.be.below(1_000);
      expect(error.message).to.include('150 ms');
      expect(error.correlationId).to.equal(CORRELATION_ID);
      await untilTrue(() => authority.open === 0);
    });
  }

  it('T-09 TLS that never answers ends with the budget, and its socket too', async () => {
    let open = 0;
    const server = createServer((socket) => {
      open += 1;
      socket.on('error', () => undefined).on('close', () => (open -= 1));
      socket.resume();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await failure(send({ port: (server.address() as AddressInfo).port, budgetMs: 100 }), ...TIMEOUT);
    await untilTrue(() => open === 0);
    server.close();
  });

  it('T-09 one connection does not use up a long budget', async () => {
    const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const clock = new FakeClock();
    const via = createNetwork({ ca, proxy: NO_PROXY, clock });
    const accepted = once(server, 'connection');
    const sent = failure(send({ port: (server.address() as AddressInfo).port, via }), ...UNREACHABLE);
    await accepted;
    clock.advance(10_000);
    expect((await sent).message).to.include('10000 ms');
    await via.close();
    server.close();
  });

  it('ends with its caller', async () => {
    const leaving = new AbortController();
    authority.answer = () => {
      leaving.abort(new ConnectorError('CANCELLED', {}));
    };
    const url = `https://localhost:${String(authority.port)}/token`;
    const limits = { budget: startBudget(systemClock, 0), signal: leaving.signal };
    await failure(network.send({ method: 'GET', url }, limits), 'POSTGRESQL:CANCELLED', 'CANCELLED');
  });

  const zeros = (bytes: number): Buffer => Buffer.alloc(bytes, 32);
  // A gzip file may have many members (RFC 1952 section 2.2), which makes a bomb cheap to build.
  const gzipOfMegabytes = (count: number): Buffer =>
    Buffer.concat(Array<Buffer>(count).fill(gzipSync(zeros(1_000_000))));
  const BOMBS: readonly (readonly [title: string, answer: HttpsAuthority['answer']])[] = [
    [
      'a body without an end',
      (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(zeros(65_536)));
        };
        response.on('drain', more);
        more();
      },
    ],
    [
      '100 MB in 100 KB of gzip',
      (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipOfMegabytes(100)),
    ],
    [
      'gzip within gzip within gzip',
      (_, response) =>
        response
          .setHeader('content-encoding', 'gzip, gzip, gzip')
          .end(gzipSync(gzipSync(gzipOfMegabytes(100)))),
    ],
    [
      'headers of 1 MB',
      ({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\n${`x-filler: ${'x'.repeat(1_000)}\r\n`.repeat(1_000)}\r\n`);
      },
    ],
    [
      'what is no gzip',
      (_, response) => response.setHeader('content-encoding', 'gzip').end('this is not gzip at all'),
    ],
    ['what is no HTTP', ({ socket }) => socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n')],
  ];
  for (const [title, answer] of BOMBS) {
    it(`T-28 D-06 ${title} is cut`, async () => {
      authority.answer = answer;
      await send({ budgetMs: 5_000 }).catch(() => undefined);
      const before = process.memoryUsage.rss();
      const error = await failure(send({ budgetMs: 5_000 }), ...MALFORMED);
      expect(error.correlationId).to.equal(CORRELATION_ID);
      expect(process.memoryUsage.rss() - before).to.be.below(60_000_000);
    });
  }

  it('T-28 gzip a thousand times is not even begun', async () => {
    authority.answer = (_, response) =>
      response.setHeader('content-encoding', Array(1_000).fill('gzip').join(',')).end(gzipSync('{}'));
    await failure(send(), ...UNREACHABLE);
  });

  it('T-12 a body of exactly 256 KiB is taken, as it is', async () => {
    authority.answer = (_, response) => response.end(zeros(262_144));
    expect((await send()).body).to.have.length(262_144);
  });

  const CLOSED: readonly [ErrorType, ErrorCode] = ['POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED'];

  it('sends nothing after it was closed, also when nothing was sent before', async () => {
    await network.close();
    await failure(send(), ...CLOSED);
  });

  it('ends what is under way when it is closed', async () => {
    authority.answer = () => {
      void network.close();
    };
    await failure(send(), ...CLOSED);
    await untilTrue(() => authority.open === 0);
  });
});

// Node.js reads NODE_EXTRA_CA_CERTS once, at its start.
async function sendElsewhere(port: number, extraCa: string, ca: string | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pg-entra-ca-'));
  const extra = join(folder, 'extra.pem');
  const module = JSON.stringify(import.meta.resolve('#src/auth/network.js'));
  const clock = JSON.stringify(import.meta.resolve('#src/clock.js'));
  const script = `
    import { createNetwork } from ${module};
    import { startBudget, systemClock } from ${clock};
    const network = createNetwork({ ca: ${JSON.stringify(ca)}, proxy: { kind: 'none' }, clock: systemClock });
    const request = { method: 'GET', url: 'https://localhost:${String(port)}/' };
    network.send(request, { budget: startBudget(systemClock, 20_000) })
      .then(({ status }) => console.log(status), ({ code }) => console.log(code))
      .finally(() => network.close());`;
  try {
    await writeFile(extra, extraCa);
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: extra };
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { env });
    return stdout.trim();
  } finally {
    await rm(folder, { recursive: true });
  }
}
