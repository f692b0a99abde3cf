import { expect } from 'chai';
import * as jose from 'jose';
import { fetch } from 'undici';
import {
  answer,
  html,
  redirect,
  reset,
  silent,
  slow,
  throttled,
  unavailable,
  type Fault,
} from '#sandbox/faults.js';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import {
  httpClient,
  rejection,
  requestToken,
  tokenForm,
  type HttpClient,
  type JsonAnswer,
} from './clients.js';

describe('sandbox control', function () {
  this.timeout(60_000);

  let sandbox: Sandbox;
  let http: HttpClient;

  before(async () => {
    sandbox = await startSandbox({ skipPostgres: true });
    http = httpClient(sandbox);
  });
  after(async () => {
    await http.close();
    await sandbox.close();
  });
  afterEach(() => sandbox.control.reset());

  const ask = (): Promise<JsonAnswer> => requestToken(http, tokenForm(sandbox), sandbox.tenantId);
  const post = () =>
    http(`/${sandbox.tenantId}/oauth2/v2.0/token`, { method: 'POST', body: tokenForm(sandbox).toString() });
  const claimsOf = ({ body }: JsonAnswer): jose.JWTPayload => jose.decodeJwt(String(body['access_token']));

  describe('tokens', () => {
    it('sets their lifetime', async () => {
      sandbox.control.setTokenLifetime(4);
      const response = await ask();
      expect(response.body['expires_in']).to.equal(4);
      expect(Math.abs(Number(claimsOf(response).exp) - Date.now() / 1000 - 4)).to.be.below(2);
    });

    for (const value of ['3599', '-5', 'NaN', 1e15, 0, null, true] as const) {
      it(`answers with expires_in ${JSON.stringify(value)}`, async () => {
        sandbox.control.overrideTokenResponse({ set: { expires_in: value } });
        expect((await ask()).body['expires_in']).to.equal(value);
      });
    }

    it('leaves out fields of a response, and changes claims', async () => {
      sandbox.control.overrideTokenResponse({ remove: ['expires_in', 'ext_expires_in'] });
      sandbox.control.overrideClaims({
        set: { aud: 'https://example.com', tid: 'x', exp: 12 },
        remove: ['uti'],
      });
      const response = await ask();
      expect(response.body).to.have.all.keys('token_type', 'access_token');
      expect(claimsOf(response)).to.include({ aud: 'https://example.com', tid: 'x', exp: 12 });
      expect(claimsOf(response)).not.to.have.property('uti');
    });

    it('changes the discovery document', async () => {
      sandbox.control.overrideDiscovery({
        set: { token_endpoint: 'http://example.com/' },
        remove: ['issuer'],
      });
      const response = await http(`/${sandbox.tenantId}/v2.0/.well-known/openid-configuration`);
      const document = (await response.json()) as Record<string, unknown>;
      expect(document['token_endpoint']).to.equal('http://example.com/');
      expect(document).not.to.have.property('issuer');
    });

    it('moves the clock', async () => {
      sandbox.control.moveClock(86_400);
      expect(Number(claimsOf(await ask()).exp)).to.be.above(Date.now() / 1000 + 86_400 + 3000);
    });
  });

  describe('faults', () => {
    const status = async (): Promise<number> => {
      const response = await post();
      await response.body?.cancel();
      return response.status;
    };

    it('hit the next requests, in their order, then are gone', async () => {
      sandbox.control.addFaults(throttled(2), unavailable(502), unavailable(500, 'oops', { times: 2 }));
      const seen = [await status(), await status(), await status(), await status(), await status()];
      expect(seen).to.deep.equal([429, 502, 500, 500, 200]);
      expect(sandbox.control.requests().map(({ fault }) => fault)).to.deep.equal([
        'answer',
        'answer',
        'answer',
        'answer',
        undefined,
      ]);
    });

    it('hit requests of their kind only', async () => {
      sandbox.control.addFaults(unavailable(503, '', { kind: 'discovery' }));
      expect(await status()).to.equal(200);
      const discover = () => http(`/${sandbox.tenantId}/v2.0/.well-known/openid-configuration`);
      expect((await discover()).status).to.equal(503);
      expect((await discover()).status).to.equal(200);
    });

    it('stay when they are for ever, until they are cleared', async () => {
      sandbox.control.addFaults(unavailable(503, '', { times: 'always' }));
      expect([await status(), await status(), await status()]).to.deep.equal([503, 503, 503]);
      expect(sandbox.control.clearFaults()).to.equal(Infinity);
      expect(await status()).to.equal(200);
    });

    it('say how many were not used', () => {
      sandbox.control.addFaults(throttled(), silent({ times: 2 }));
      expect(sandbox.control.clearFaults()).to.equal(3);
    });

    it('throttle with Retry-After', async () => {
      sandbox.control.addFaults(throttled('Wed, 21 Oct 2026 07:28:00 GMT'));
      const { status: code, headers, body } = await ask();
      expect(code).to.equal(429);
      expect(headers.get('retry-after')).to.equal('Wed, 21 Oct 2026 07:28:00 GMT');
      expect(body['error_codes']).to.deep.equal([90055]);
    });

    it('refuse in AADSTS form', async () => {
      sandbox.control.addFaults({
        action: 'refuse',
        code: 53003,
        error: 'access_denied',
        headers: { 'x-a': 'b' },
      });
      const { status: code, headers, body } = await ask();
      expect([code, headers.get('x-a'), body['error'], body['error_codes']]).to.deep.equal([
        400,
        'b',
        'access_denied',
        [53003],
      ]);
    });

    it('answer with a page, a redirect, any JSON, any bytes', async () => {
      sandbox.control.addFaults(html(), redirect('https://example.com/'), answer([1]), {
        action: 'answer',
        status: 200,
        body: Buffer.from([0, 255]).toString('base64'),
        encoding: 'base64',
        repeat: 3,
      });
      expect((await post()).headers.get('content-type')).to.match(/^text\/html/);
      expect((await post()).headers.get('location')).to.equal('https://example.com/');
      expect(await (await post()).json()).to.deep.equal([1]);
      expect([...new Uint8Array(await (await post()).arrayBuffer())]).to.deep.equal([0, 255, 0, 255, 0, 255]);
    });

    it('delay, and drip byte by byte', async () => {
      sandbox.control.addFaults(slow(30), { ...answer({ a: 1 }), dripMs: 1 } as Fault);
      const started = performance.now();
      expect((await ask()).status).to.equal(200);
      expect(performance.now() - started).to.be.at.least(29);
      expect((await ask()).body).to.deep.equal({ a: 1 });
    });

    it('never answer', async () => {
      sandbox.control.addFaults(silent());
      const error = await rejection(
        http(`/${sandbox.tenantId}/oauth2/v2.0/token`, { method: 'POST', signal: AbortSignal.timeout(100) }),
      );
      expect(error.name).to.equal('TimeoutError');
      expect(sandbox.control.requests()[0]).to.include({ status: 0, fault: 'hang' });
    });

    for (const after of ['request', 'headers', 'body'] as const) {
      it(`reset the connection after the ${after}`, async () => {
        sandbox.control.addFaults(reset(after));
        await rejection(post().then((response) => response.text()));
        expect(sandbox.control.requests()[0]).to.include({ status: 0, fault: 'reset' });
        expect((await ask()).status).to.equal(200);
      });
    }
  });

  describe('certificate of the authority', () => {
    const expected = {
      'wrong-host': 'ERR_TLS_CERT_ALTNAME_INVALID',
      expired: 'CERT_HAS_EXPIRED',
      'self-signed': 'DEPTH_ZERO_SELF_SIGNED_CERT',
      'unknown-ca': 'SELF_SIGNED_CERT_IN_CHAIN',
    } as const;
    for (const [kind, code] of Object.entries(expected) as [keyof typeof expected, string][]) {
      it(`can be ${kind}`, async () => {
        await sandbox.control.setCertificate('authority', kind);
        const fresh = httpClient(sandbox);
        const error = await rejection(fresh('/'));
        expect((error.cause as NodeJS.ErrnoException).code).to.equal(code);
        await sandbox.control.setCertificate('authority', 'valid');
        expect((await fresh('/')).status).to.equal(404);
        await fresh.close();
      });
    }
  });

  describe('by HTTP', () => {
    const send = async (method: string, path: string, body?: unknown) => {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await fetch(`${sandbox.controlUrl}/${path}`, init);
      return { status: response.status, value: await response.json() };
    };

    it('sets, scripts, revokes and reads', async () => {
      await send('POST', 'token-lifetime', { seconds: 4 });
      await send('POST', 'token-response', { set: { refresh_in: 2 } });
      expect((await ask()).body).to.include({ expires_in: 4, refresh_in: 2 });
      await send('POST', 'faults', [throttled(1), { action: 'hang' }]);
      expect((await ask()).status).to.equal(429);
      expect((await send('DELETE', 'faults')).value).to.deep.equal({ unused: 1 });
      await send('POST', 'secret-expired');
      expect((await ask()).status).to.equal(401);
      expect((await send('GET', 'token-requests')).value).to.deep.equal({ count: 3 });
      expect((await send('GET', 'requests')).value).to.have.length(3);
      await send('DELETE', 'requests');
      expect(sandbox.control.requests()).to.deep.equal([]);
      const { token } = (await send('POST', 'token', { claims: { set: { a: 1 } } })).value as {
        token: string;
      };
      expect(jose.decodeJwt(token)).to.include({ a: 1 });
      expect((await send('POST', 'revoke', { token })).status).to.equal(200);
      expect((await send('POST', 'reset')).value).to.deep.equal({});
      expect((await ask()).body['expires_in']).to.equal(3599);
      expect((await send('GET', 'logins')).value).to.deep.equal([]);
    });

    it('says what is wrong with a request', async () => {
      expect((await send('POST', 'token-lifetime', { seconds: '4' })).status).to.equal(400);
      expect((await send('POST', 'faults', { action: 'hang' })).status).to.equal(400);
      expect((await send('POST', 'claims', { add: {} })).status).to.equal(400);
      expect((await send('POST', 'certificate', { server: 'gate', kind: 'none' })).status).to.equal(400);
      expect((await send('POST', 'authentication', { kind: 'none' })).status).to.equal(400);
      expect((await send('POST', 'nothing')).status).to.equal(404);
      expect((await send('POST', 'toString')).status).to.equal(404);
      expect((await send('POST', 'postgres/restart')).status).to.equal(500);
      const outside = await fetch(new URL('/requests', sandbox.controlUrl));
      expect(outside.status).to.equal(404);
    });
  });
});
