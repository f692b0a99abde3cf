import { expect } from 'chai';
import { mock } from 'node:test';
import { inspect } from 'node:util';
import { systemClock } from '#src/clock.js';
import { openTransport, type Endpoint } from '#src/connection/transport.js';
import { openWay } from '#src/connection/transport/way.js';
import type { ErrorCode } from '#src/errors.js';
import { Secret } from '#src/settings/secret.js';
import type { FirewallProxy } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';
import { startHttpProxy, startSocks4Proxy, startSocksProxy, type TestProxy } from '../support/proxies.js';
import { abortedOnceDialled, echo, endpointOf, gone, waitOf, useTlsServer } from '../support/tls-server.js';

const CANNOT_REACH = 'POSTGRESQL:CANNOT_REACH';
const PASSWORD = 'pr0xy-p4ssword-that-must-not-show';

describe('the way through a proxy', function () {
  this.timeout(20_000);
  const use = useTlsServer(['db.example', 'localhost', '127.0.0.1']);
  let proxy: TestProxy | undefined;

  afterEach(() => proxy?.close());

  const STARTS = { http: startHttpProxy, socks4: startSocks4Proxy, socks5: startSocksProxy };
  const CREDENTIALS = { http: `u:${PASSWORD}`, socks4: 'u', socks5: `u:${PASSWORD}` };

  function through(protocol: FirewallProxy['protocol'], changes: Partial<FirewallProxy> = {}): Endpoint {
    const password = protocol === 'socks4' ? undefined : new Secret(PASSWORD);
    const firewall = { protocol, host: '127.0.0.1', port: proxy?.port ?? 1, user: 'u', password, ...changes };
    const host = 'db.example';
    return endpointOf(use.server.port, { ca: use.ca }, { host, way: { firewall, ssh: undefined } });
  }

  async function refused(to: Endpoint, code: ErrorCode, words: RegExp): Promise<void> {
    const error = await failure(openTransport(to, waitOf()), CANNOT_REACH, code);
    expect(error.message).to.match(words);
    const seen = [
      inspect(error, { depth: Infinity, showHidden: true }),
      JSON.stringify(error),
      inspect(to),
    ].join();
    expect(seen).not.to.include(PASSWORD);
    expect(seen).not.to.include(Buffer.from(`u:${PASSWORD}`).toString('base64'));
    while ((proxy?.open ?? 0) > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  for (const protocol of ['http', 'socks4', 'socks5'] as const) {
    describe(protocol, () => {
      it('leads to the server, by its name and with credentials, and TLS is with the server', async () => {
        proxy = await STARTS[protocol]({ credentials: CREDENTIALS[protocol] });
        const socket = await openTransport(through(protocol), waitOf());
        expect(await echo(socket)).to.equal('ping');
        expect(proxy.asked).to.deep.equal([
          { target: `db.example:${String(use.server.port)}`, credentials: CREDENTIALS[protocol] },
        ]);
        await gone(socket);
        while (proxy.open > 0) await new Promise((resolve) => setImmediate(resolve));
      });

      it('leads to an address', async () => {
        proxy = await STARTS[protocol]();
        const to = { ...through(protocol, { user: undefined, password: undefined }), host: '127.0.0.1' };
        const socket = await openTransport(to, waitOf());
        expect(proxy.asked[0]?.target).to.equal(`127.0.0.1:${String(use.server.port)}`);
        await gone(socket);
      });

      it('that refuses the credentials is typed', async () => {
        proxy = await STARTS[protocol]({ credentials: 'somebody:else' });
        // SOCKS4 has no answer of its own for it.
        const code = protocol === 'socks4' ? 'FIREWALL_REFUSED' : 'FIREWALL_AUTHENTICATION_FAILED';
        await refused(through(protocol), code, /127\.0\.0\.1:\d+/);
      });

      it('that refuses the server is typed', async () => {
        const instead = { http: Buffer.from('HTTP/1.1 403 Forbidden\r\n\r\n'), socks4: 91, socks5: 2 };
        proxy = await STARTS[protocol]({ instead: instead[protocol] } as never);
        await refused(through(protocol), 'FIREWALL_REFUSED', /no connection to db\.example:\d+/);
      });

      it('that resets the connection is typed', async () => {
        proxy = await STARTS[protocol]({ instead: 'reset' });
        await refused(through(protocol), 'FIREWALL_REFUSED', /no connection to db\.example/);
      });

      it('that cannot be reached is typed', async () => {
        await refused(through(protocol, { port: 1 }), 'FIREWALL_UNREACHABLE', /ECONNREFUSED/);
      });

      it('is not asked when its caller left as soon as it was reached, and nothing stays open', async () => {
        proxy = await STARTS[protocol]();
        const { host, port, way } = through(protocol);
        const reason = new Error('the caller left');
        const { signal } = abortedOnceDialled(reason);
        const attempt = openWay({ host, port }, way, { clock: systemClock, signal });
        expect(await attempt.catch((error: unknown) => error)).to.equal(reason);
        while (proxy.open > 0) await new Promise((resolve) => setImmediate(resolve));
        expect(proxy.asked).to.deep.equal([]);
      });

      it('N-02 that stays silent is left at the deadline, and nothing stays open', async () => {
        proxy = await STARTS[protocol]({ instead: 'silence' });
        const silent = openTransport(through(protocol), waitOf(150));
        const error = await failure(silent, CANNOT_REACH, 'CONNECT_TIMEOUT');
        expect(error.message).to.match(/through the (HTTP|SOCKS4|SOCKS5) proxy 127\.0\.0\.1/);
        while (proxy.open > 0) await new Promise((resolve) => setImmediate(resolve));
      });
    });
  }

  it('SOCKS has all of the time that there is', async () => {
    proxy = await startSocksProxy({ instead: 'silence' });
    const caller = new AbortController();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let isOver = false;
      const attempt = openTransport(through('socks5'), waitOf(60_000, caller.signal)).catch(
        () => (isOver = true),
      );
      while (proxy.open === 0) await new Promise((resolve) => setImmediate(resolve));
      // Until the proxy has been asked.
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      mock.timers.tick(40_000);
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(isOver).to.equal(false);
      caller.abort();
      await attempt;
    } finally {
      mock.timers.reset();
    }
  });

  it('never goes directly where the proxy does not answer', async () => {
    const before = use.server.counts.connections;
    await refused(through('socks5', { port: 1 }), 'FIREWALL_UNREACHABLE', /ECONNREFUSED/);
    expect(use.server.counts.connections).to.equal(before);
  });

  it('a man in the middle at the proxy is refused as elsewhere', async () => {
    proxy = await startHttpProxy();
    const to = { ...through('http', { user: undefined }), host: 'other.example' };
    await failure(openTransport(to, waitOf()), 'POSTGRESQL:TLS', 'SERVER_HOST_NAME_MISMATCH');
  });
});
