import { expect } from 'chai';
import fc from 'fast-check';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { createCertificateAuthority, keyFor, selfSign, type KeyPair } from '#sandbox/certificates.js';
import { createNetwork, type AuthorityAnswer } from '#src/auth/network.js';
import type { ProxySettings } from '#src/settings/settings.js';
import { startBudget, systemClock, type Clock } from '#src/clock.js';
import { isConnectorError, type ConnectorError, type ErrorCode, type ErrorType } from '#src/errors.js';
import { Secret } from '#src/settings/secret.js';
import { withUnverifiedTls } from '../support/environment.js';
import { FakeClock } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';
import { startHttpsAuthority, type HttpsAuthority } from '../support/https-authority.js';
import { startHttpProxy, startSocksProxy, type TestProxy } from '../support/proxies.js';
import { untilTrue } from '../support/use-sandbox.js';

type Protocol = 'http' | 'https' | 'socks5';

const CORRELATION_ID = '11111111-2222-4333-8444-555555555555';
const USER = 'canary-user';
const PASSWORD = 'canary-p@ss:wörd';
const CREDENTIALS = `${USER}:${PASSWORD}`;
/** Nobody but the proxies of the tests knows this name. */
const NAME = 'login.authority.test';

const PROTOCOLS: readonly Protocol[] = ['http', 'https', 'socks5'];

const UNREACHABLE = ['POSTGRESQL:CANNOT_REACH', 'PROXY_UNREACHABLE'] as const;
const REFUSED = ['POSTGRESQL:CANNOT_REACH', 'PROXY_REFUSED'] as const;
const UNAUTHENTICATED = ['POSTGRESQL:CANNOT_REACH', 'PROXY_AUTHENTICATION_FAILED'] as const;
const NOT_VERIFIED = ['POSTGRESQL:TLS', 'PROXY_NOT_VERIFIED'] as const;

describe('network through a proxy', () => {
  let ca = '';
  let key: KeyPair;
  let server: { readonly key: string; readonly cert: string };
  let authority: HttpsAuthority;
  const started: TestProxy[] = [];

  before(async () => {
    const issuer = await createCertificateAuthority();
    key = await keyFor('servers');
    const { pem } = await issuer.issue({ commonName: NAME, hosts: [NAME, 'localhost', '127.0.0.1'], key });
    ca = issuer.pem;
    server = { key: key.privateKey, cert: pem };
    authority = await startHttpsAuthority(server);
  });
  after(() => authority.close());
  beforeEach(() => {
    authority.answer = (_, response) => response.end('{}');
  });
  afterEach(async () => {
    for (const proxy of started) await untilTrue(() => proxy.open === 0);
    await Promise.all(started.splice(0).map((proxy) => proxy.close()));
    await untilTrue(() => authority.open === 0);
  });

  const start = async (
    protocol: Protocol,
    script: { credentials?: string; instead?: Buffer | number | 'reset' | 'silence' } = {},
  ): Promise<TestProxy> => {
    const proxy = await (protocol === 'socks5'
      ? startSocksProxy(script as Parameters<typeof startSocksProxy>[0])
      : startHttpProxy({
          ...(script as Parameters<typeof startHttpProxy>[0]),
          ...(protocol === 'https' && { certificate: server }),
        }));
    started.push(proxy);
    return proxy;
  };

  const settings = (
    protocol: Protocol,
    port: number,
    changes: Partial<Extract<ProxySettings, { kind: 'fixed' }>> = {},
  ): ProxySettings => ({
    kind: 'fixed',
    protocol,
    host: 'localhost',
    port,
    user: undefined,
    password: undefined,
    exceptions: [],
    ...changes,
  });
  const signedIn = { user: USER, password: new Secret(PASSWORD) };

  /** One request through `proxy`, by a network of its own. */
  const send = async (
    proxy: ProxySettings,
    options: {
      host?: string;
      port?: number;
      budgetMs?: number;
      ca?: string;
      environment?: Record<string, string>;
      clock?: Clock;
    } = {},
  ): Promise<AuthorityAnswer> => {
    const {
      host = NAME,
      port = authority.port,
      budgetMs = 20_000,
      environment = {},
      clock = systemClock,
    } = options;
    const network = createNetwork({ ca: options.ca ?? ca, proxy, clock, environment });
    const url = `https://${host}:${String(port)}/token`;
    const headers = { 'client-request-id': CORRELATION_ID };
    try {
      return await network.send({ method: 'GET', url, headers }, { budget: startBudget(clock, budgetMs) });
    } finally {
      await network.close();
    }
  };

  /** Fails as expected, says for which request, and keeps the credentials to itself. */
  const refused = async (
    sent: Promise<unknown>,
    [type, code]: readonly [ErrorType, ErrorCode],
  ): Promise<ConnectorError> => {
    const error = await failure(sent, type, code);
    expect(error.correlationId).to.equal(CORRELATION_ID);
    const said = inspect(error, { depth: Infinity, showHidden: true }) + JSON.stringify(error);
    expect(said).not.to.match(/canary|wörd/);
    expect(said).not.to.include(Buffer.from(CREDENTIALS).toString('base64'));
    return error;
  };

  for (const protocol of PROTOCOLS) {
    describe(protocol, () => {
      it('resolves the authority, whose certificate is verified by its name', async () => {
        const proxy = await start(protocol);
        const before = authority.names.length;
        expect((await send(settings(protocol, proxy.port))).status).to.equal(200);
        expect(proxy.asked).to.deep.equal([
          { target: `${NAME}:${String(authority.port)}`, credentials: undefined },
        ]);
        expect(authority.names.slice(before)).to.deep.equal([NAME]);
      });

      it('D-10 verifies a name that ends with a dot without it', async () => {
        const proxy = await start(protocol);
        const before = authority.names.length;
        expect((await send(settings(protocol, proxy.port), { host: `${NAME}.` })).status).to.equal(200);
        expect(authority.names.slice(before)).to.deep.equal([NAME]);
      });

      it('reaches an authority and a proxy that are given by address', async () => {
        const proxy = await start(protocol);
        const answer = await send(settings(protocol, proxy.port, { host: '127.0.0.1' }), {
          host: '127.0.0.1',
        });
        expect(answer.status).to.equal(200);
      });

      it('D-11 gives the credentials to the proxy and to nobody else', async () => {
        const proxy = await start(protocol, { credentials: CREDENTIALS });
        let seen = '';
        authority.answer = ({ rawHeaders }, response) => {
          seen = rawHeaders.join('\n');
          response.end('{}');
        };
        await send(settings(protocol, proxy.port, signedIn));
        expect(proxy.asked.map(({ credentials }) => credentials)).to.deep.equal([CREDENTIALS]);
        expect(seen).not.to.match(/proxy|canary/i);
      });

      it('D-11 wrong credentials, and none, are PROXY_AUTHENTICATION_FAILED', async () => {
        const proxy = await start(protocol, { credentials: 'other:one' });
        const wrong = await refused(send(settings(protocol, proxy.port, signedIn)), UNAUTHENTICATED);
        await refused(send(settings(protocol, proxy.port)), UNAUTHENTICATED);
        expect(wrong.retryable).to.equal(false);
        expect(wrong.message).to.include(`localhost:${String(proxy.port)}`);
      });

      it('D-11 one that dies while it is asked is PROXY_REFUSED, to be tried again', async () => {
        const proxy = await start(protocol, { instead: 'reset' });
        const error = await refused(send(settings(protocol, proxy.port, signedIn)), REFUSED);
        expect(error.retryable).to.equal(true);
      });

      it('D-11 one that says nothing is PROXY_UNREACHABLE at the end of the budget', async () => {
        const clock = new FakeClock();
        const proxy = await start(protocol, { instead: 'silence' });
        const sent = refused(
          send(settings(protocol, proxy.port, signedIn), { budgetMs: 5_000, clock }),
          UNREACHABLE,
        );
        await untilTrue(() => proxy.asked.length === 1);
        clock.advance(5_000);
        expect((await sent).message).to.include('5000 ms');
      });

      it('D-11 one that says nothing does not use up a long budget', async () => {
        const clock = new FakeClock();
        const proxy = await start(protocol, { instead: 'silence' });
        const sent = refused(send(settings(protocol, proxy.port), { clock, budgetMs: 60_000 }), UNREACHABLE);
        await untilTrue(() => proxy.asked.length === 1);
        clock.advance(10_000);
        expect((await sent).message).to.include('10000 ms');
      });

      it('D-11 one that is not there is PROXY_UNREACHABLE', async () => {
        const gone = await start(protocol);
        await gone.close();
        const error = await refused(send(settings(protocol, gone.port, signedIn)), UNREACHABLE);
        expect(error.retryable).to.equal(true);
        expect(error.message).to.include('ECONNREFUSED');
      });

      it('D-10 a wrong certificate behind it is still that of the authority', async () => {
        const proxy = await start(protocol);
        const host = 'other.authority.test';
        const error = await refused(send(settings(protocol, proxy.port), { host }), [
          'POSTGRESQL:TLS',
          'AUTHORITY_NOT_VERIFIED',
        ]);
        expect(error.message).to.include(`${host}:${String(authority.port)}`);
      });

      it('T-09 an authority that never answers behind it is AUTHORITY_TIMEOUT', async () => {
        const clock = new FakeClock();
        authority.answer = () => {
          clock.advance(5_000);
        };
        const proxy = await start(protocol);
        const sent = send(settings(protocol, proxy.port), { budgetMs: 5_000, clock });
        await refused(sent, ['POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT']);
      });

      it('leaves exceptions to the direct way', async () => {
        const proxy = await start(protocol);
        const exempt = settings(protocol, proxy.port, { exceptions: ['*.test', 'localhost'] });
        expect((await send(exempt, { host: 'localhost' })).status).to.equal(200);
        expect(proxy.asked).to.deep.equal([]);
      });

      it('P-27 is taken from the environment when asked for', async () => {
        const proxy = await start(protocol, { credentials: CREDENTIALS });
        const login = `${USER}:${encodeURIComponent(PASSWORD)}`;
        const environment = { ALL_PROXY: `${protocol}://${login}@localhost:${String(proxy.port)}` };
        expect((await send({ kind: 'environment' }, { environment })).status).to.equal(200);
        expect(proxy.asked).to.have.length(1);
      });
    });
  }

  describe('answers to CONNECT', () => {
    const ANSWERS: readonly (readonly [title: string, answer: string, retryable: boolean])[] = [
      ['403', 'HTTP/1.1 403 Forbidden\r\n\r\n', false],
      ['503 with a page', 'HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\npage', true],
      ['a redirect', 'HTTP/1.1 302 Found\r\nlocation: https://portal.example/\r\n\r\n', false],
      ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', true],
      ['headers of 1 MB', `HTTP/1.1 200 OK\r\n${`x: ${'x'.repeat(1_000)}\r\n`.repeat(1_000)}\r\n`, true],
      ['more than was asked', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', true],
    ];
    for (const [title, answer, retryable] of ANSWERS) {
      it(`D-11 ${title} is PROXY_REFUSED`, async () => {
        const proxy = await start('http', { instead: Buffer.from(answer) });
        const error = await refused(send(settings('http', proxy.port, signedIn)), REFUSED);
        expect(error.retryable).to.equal(retryable);
      });
    }
  });

  describe('answers of a SOCKS5 proxy', () => {
    for (const [reply, retryable] of [
      [1, true],
      [2, false],
      [4, true],
      [99, true],
    ] as const) {
      it(`D-11 reply ${String(reply)} is PROXY_REFUSED`, async () => {
        const proxy = await start('socks5', { instead: reply });
        const error = await refused(send(settings('socks5', proxy.port)), REFUSED);
        expect(error.retryable).to.equal(retryable);
      });
    }

    it('D-11 a server that speaks another protocol is PROXY_REFUSED', async () => {
      const other = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
        0,
        'localhost',
      );
      await once(other, 'listening');
      await refused(send(settings('socks5', (other.address() as AddressInfo).port)), REFUSED);
      other.close();
    });

    it('refuses credentials that do not fit, and survives them', async () => {
      const proxy = await start('socks5', { credentials: CREDENTIALS });
      const password = new Secret('canary'.repeat(50));
      const error = await refused(send(settings('socks5', proxy.port, { user: USER, password })), REFUSED);
      expect(error.retryable).to.equal(false);
      expect(error.message).to.include('255 bytes');
    });

    it('warns nobody', async () => {
      const warnings: Error[] = [];
      const note = (warning: Error): number => warnings.push(warning);
      process.on('warning', note);
      const proxy = await start('socks5');
      await send(settings('socks5', proxy.port));
      await new Promise((resolve) => setImmediate(resolve));
      process.off('warning', note);
      expect(warnings).to.deep.equal([]);
    });
  });

  describe('certificates of an HTTPS proxy', () => {
    const hosts = ['localhost'];
    const issue = async (changes: object, issuer?: string) =>
      (await createCertificateAuthority(issuer)).issue({ commonName: 'localhost', hosts, key, ...changes });
    const WRONG: readonly (readonly [title: string, make: () => Promise<{ pem: string }>])[] = [
      ['self-signed', () => selfSign({ commonName: 'localhost', hosts, key })],
      // SNI and check go by the name of the proxy, not by that of the authority.
      ['for the authority', () => issue({ hosts: [NAME] })],
      ['expired', () => issue({ notAfter: new Date(Date.now() - 86_400_000) })],
      ['of an unknown CA', () => issue({}, 'another CA')],
    ];
    for (const [title, make] of WRONG) {
      it(`D-10 one that is ${title} is PROXY_NOT_VERIFIED, and nothing is sent`, async () => {
        const certificate = { key: key.privateKey, cert: (await make()).pem };
        const proxy = await startHttpProxy({ certificate, credentials: CREDENTIALS });
        started.push(proxy);
        await refused(send(settings('https', proxy.port, signedIn)), NOT_VERIFIED);
        expect(proxy.asked).to.deep.equal([]);
      });
    }

    it('P-27 NODE_TLS_REJECT_UNAUTHORIZED=0 weakens neither the proxy nor the authority behind it', async () => {
      const { pem: cert } = await selfSign({ commonName: 'localhost', hosts, key });
      const unknown = await startHttpProxy({ certificate: { key: key.privateKey, cert } });
      started.push(unknown);
      const proxy = await start('https');
      await withUnverifiedTls(async () => {
        await refused(send(settings('https', unknown.port)), NOT_VERIFIED);
        const behind = send(settings('https', proxy.port), { host: 'other.authority.test' });
        await refused(behind, ['POSTGRESQL:TLS', 'AUTHORITY_NOT_VERIFIED']);
      });
    });

    it('D-10 one that speaks no TLS is PROXY_NOT_VERIFIED', async () => {
      const proxy = await start('http');
      await refused(send(settings('https', proxy.port, signedIn)), NOT_VERIFIED);
      expect(proxy.asked).to.deep.equal([]);
    });
  });

  describe('whatever a proxy answers', () => {
    const GREETINGS = [[5, 0], [5, 2], [5, 2, 1, 0], [5, 0, 5, 0, 0], [...Buffer.from('HTTP/1.1 200 ')]];
    const answers = fc.tuple(
      fc.constantFrom(...GREETINGS, []),
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
    );
    for (const protocol of ['http', 'socks5'] as const) {
      it(`D-11 is a typed error (${protocol})`, async () => {
        let script: readonly Uint8Array[] = [];
        const hostile = createServer((socket) => {
          socket.on('error', () => undefined).resume();
          socket.once('data', () => {
            void tell(socket, script);
          });
        }).listen(0, 'localhost');
        await once(hostile, 'listening');
        const proxy = settings(protocol, (hostile.address() as AddressInfo).port, signedIn);
        await fc.assert(
          fc.asyncProperty(answers, async ([greeting, rest]) => {
            script = [Uint8Array.from(greeting), ...rest];
            const error: unknown = await send(proxy, { budgetMs: 2_000 }).catch((thrown: unknown) => thrown);
            expect(isConnectorError(error) && error.code).to.match(/^(PROXY|AUTHORITY)_/);
          }),
          { numRuns: 40 },
        );
        hostile.close();
      });
    }
  });

  it('tunnels that are being made end with the network', async () => {
    const proxy = await start('http', { instead: 'silence' });
    const network = createNetwork({ ca, proxy: settings('http', proxy.port), clock: systemClock });
    const url = `https://${NAME}:${String(authority.port)}/`;
    const sent = network.send({ method: 'GET', url }, { budget: startBudget(systemClock, 0) });
    const failed = failure(sent, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await untilTrue(() => proxy.asked.length === 1);
    await network.close();
    await failed;
  });
});

/** Sends one piece a turn of the event loop, and ends. */
async function tell(socket: Socket, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
}
