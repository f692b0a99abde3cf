import { once } from 'node:events';
import http from 'node:http';
import tls from 'node:tls';
import { expect } from 'chai';
import { Agent, ProxyAgent, fetch } from 'undici';
import { bomb, withHeaders } from '#sandbox/faults.js';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { httpClient, logIn, loginError, rejection } from './clients.js';

describe('sandbox network faults', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox({ skipPostgres: true });
  });
  after(() => sandbox.close());
  afterEach(() => sandbox.control.reset());

  const document = () => `/${sandbox.tenantId}/v2.0/.well-known/openid-configuration`;

  /** Status of a request over a connection of its own. */
  const visit = async (url = document()): Promise<number> => {
    const client = httpClient(sandbox);
    try {
      const response = await client(url);
      await response.arrayBuffer();
      return response.status;
    } finally {
      await client.close();
    }
  };
  const causeOf = async (visiting: Promise<unknown>): Promise<unknown> =>
    ((await rejection(visiting)).cause as NodeJS.ErrnoException).code;

  it('D-12 a service that is down refuses connections, then answers on the same port', async () => {
    const { openId, control } = sandbox;
    for (const [server, url] of [
      ['authority', document()],
      ['openId', `${openId.issuer}/.well-known/openid-configuration`],
    ] as const) {
      await control.setReachable(server, false);
      expect(await causeOf(visit(url))).to.equal('ECONNREFUSED');
      await control.setReachable(server, true);
      expect(await visit(url)).to.equal(200);
    }
    await control.setReachable('managedIdentity', false);
    expect(await causeOf(fetch(sandbox.managedIdentity.imds.endpoint))).to.equal('ECONNREFUSED');
    await control.reset();
    expect((await fetch(sandbox.managedIdentity.imds.endpoint)).status).to.equal(404);
  });

  it('N-01 the gate refuses connections while it is down', async () => {
    const token = await sandbox.control.issueToken();
    await sandbox.control.setReachable('gate', false);
    expect((await loginError(sandbox, token)).code).to.equal('ECONNREFUSED');
    await sandbox.control.setReachable('gate', true);
    expect((await loginError(sandbox, token)).code).to.equal('57P03');
  });

  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    it(`D-10 a server speaks ${version} alone`, async () => {
      await sandbox.control.setTlsVersion('authority', version);
      expect(await causeOf(visit())).to.match(/^ERR_SSL|^EPROTO/);
      const socket = tls.connect({
        port: sandbox.authority.port,
        host: 'localhost',
        ca: sandbox.authority.ca,
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      await once(socket, 'secureConnect');
      expect(socket.getProtocol()).to.equal(version);
      socket.destroy();
      await sandbox.control.setTlsVersion('authority', 'current');
      expect(await visit()).to.equal(200);
      await sandbox.control.setTlsVersion('gate', version);
      expect((await loginError(sandbox, 'x')).code).to.match(/^ERR_SSL|^EPROTO/);
    });
  }

  it('D-10 the OpenID provider presents a certificate for another host', async () => {
    await sandbox.control.setCertificate('openId', 'wrong-host');
    expect(await causeOf(visit(sandbox.openId.issuer))).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('T-30 Date and Age are what they are told to be, in answers and in refusals', async () => {
    const client = httpClient(sandbox);
    const date = 'Thu, 01 Jan 2026 00:00:00 GMT';
    const headers = async () => {
      const { headers: all } = await client(document());
      return [all.get('date'), all.get('age')];
    };
    sandbox.control.addFaults(withHeaders({ Date: date, Age: '60' }, { kind: 'discovery' }));
    expect(await headers()).to.deep.equal([date, '60']);
    const [own, none] = await headers();
    expect([own === date, none]).to.deep.equal([false, null]);
    sandbox.control.overrideHeaders({ set: { age: '300' }, remove: ['date'] });
    expect(await headers()).to.deep.equal([null, '300']);
    sandbox.control.addFaults({ action: 'refuse', code: 90033, kind: 'discovery', headers: { age: '1' } });
    expect(await headers()).to.deep.equal([null, '1']);
    await client.close();
  });

  it('T-28 a small answer is a large one, once it is decoded', async () => {
    const client = httpClient(sandbox);
    sandbox.control.addFaults(bomb(1_000_000, 2, { kind: 'discovery' }));
    const response = await client(document());
    expect(response.headers.get('content-encoding')).to.equal('gzip, gzip');
    expect((await response.arrayBuffer()).byteLength).to.equal(1_000_000);
    await client.close();
  });

  describe('D-11 the proxy', () => {
    /** Status of a request through the proxy. */
    const through = async (credentials?: string): Promise<number> => {
      const token = credentials === undefined ? {} : { token: `Basic ${btoa(credentials)}` };
      const dispatcher = new ProxyAgent({
        uri: sandbox.proxy.url,
        requestTls: { ca: sandbox.authority.ca },
        ...token,
      });
      try {
        const signal = AbortSignal.timeout(5_000);
        const url = new URL(document(), sandbox.authority.url);
        return (await fetch(url, { dispatcher, signal })).status;
      } finally {
        await dispatcher.destroy();
      }
    };

    it('opens tunnels to this machine, and to no other', async () => {
      expect(await through()).to.equal(200);
      const { host } = sandbox.authority;
      expect(sandbox.control.proxyRequests()).to.deep.equal([
        { target: host, status: 200, credentialsReceived: false },
      ]);
      const dispatcher = new ProxyAgent({ uri: sandbox.proxy.url });
      await rejection(fetch('https://elsewhere.example', { dispatcher }));
      await dispatcher.destroy();
      expect(sandbox.control.proxyRequests()[1]).to.include({ status: 403 });
    });

    it('asks for its own credentials (407)', async () => {
      sandbox.control.setProxyMode('authenticated');
      await rejection(through());
      const { user, password } = sandbox.proxy;
      await rejection(through(`${user}:wrong`));
      expect(await through(`${user}:${password}`)).to.equal(200);
      expect(sandbox.control.proxyRequests().map(({ status }) => status)).to.deep.equal([407, 407, 200]);
    });

    it('breaks, dies within its answer, and stays silent', async () => {
      const { hostname: host, port } = new URL(sandbox.proxy.url);
      /** What happens to a request for a tunnel. */
      const connect = (): Promise<unknown> =>
        new Promise((resolve) => {
          const request = http.request({ host, port, method: 'CONNECT', path: sandbox.authority.host });
          request.once('connect', ({ statusCode }) => resolve(statusCode));
          request.once('error', ({ message }) => resolve(message));
          request.setTimeout(100, () => request.destroy(new Error('silence')));
          request.end();
        });
      const outcomes: unknown[] = [];
      for (const mode of ['broken', 'dead', 'silent'] as const) {
        sandbox.control.setProxyMode(mode);
        outcomes.push(await connect());
      }
      expect(outcomes).to.deep.equal([502, 'socket hang up', 'silence']);
      expect(sandbox.control.proxyRequests().map(({ status }) => status)).to.deep.equal([502, 0, 0]);
    });
  });

  it('is scripted by HTTP as well', async () => {
    const post = async (path: string, body?: unknown): Promise<unknown> => {
      const init = { method: 'POST', body: JSON.stringify(body ?? {}) };
      const response = await fetch(`${sandbox.controlUrl}/${path}`, init);
      expect(response.status, path).to.equal(200);
      return response.json();
    };
    const { pem } = (await post('certificates/issue', { commonName: 'x' })) as { pem: string };
    await post('certificates', { pem });
    await post('certificates/expired', { pem });
    await post('certificates/remove', { pem });
    const { secret } = (await post('secrets')) as { secret: string };
    await post('secret-expired', { secret });
    await post('secrets/remove', { secret });
    await post('trusted-subjects', [{ ca: sandbox.authority.ca, subject: 'x' }]);
    await post('federated-credentials', [{ issuer: 'https://x.example', subject: 'x', audience: 'x' }]);
    expect(await post('federated-token', { subject: 'x' })).to.have.all.keys('token');
    await post('token-format', { format: 'opaque' });
    await post('headers', { set: { age: '5' } });
    await post('tls-version', { server: 'openId', version: 'TLSv1.1' });
    await post('reachable', { server: 'managedIdentity', reachable: false });
    await post('proxy', { mode: 'broken' });
    const agent = new Agent();
    const requests = await fetch(`${sandbox.controlUrl}/proxy-requests`, { dispatcher: agent });
    expect(await requests.json()).to.deep.equal([]);
    await agent.destroy();
    const wrong = await fetch(`${sandbox.controlUrl}/proxy`, { method: 'POST', body: '{"mode":"x"}' });
    expect(wrong.status).to.equal(400);
    await wrong.body?.cancel();
    await sandbox.control.reset();
    expect(await visit()).to.equal(200);
    await rejection(logIn(sandbox, 'x'));
  });
});
