import { expect } from 'chai';
import { answer, html, redirect, reset, silent, throttled, unavailable } from '#sandbox/faults.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { entraClientFor } from '../support/clients.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION: ErrorType = 'POSTGRESQL:AUTHENTICATION';

describe('Entra client', function () {
  this.timeout(60_000);
  const use = useSandbox({ skipPostgres: true });

  const changed = (
    changes: Record<string, string>,
    from?: 'secret' | 'certificatePem' | 'certificatePfx',
  ): string => formatConnectionString(use.properties(changes, from));

  const request = async (connection = use.sandbox.connections.secret, clock?: HastyClock) => {
    const { entra, network } = entraClientFor(connection, clock && { clock });
    return entra
      .requestToken()
      .then(({ token }) => token)
      .finally(() => network.close());
  };

  const tokenRequests = () => use.sandbox.control.requests().filter(({ kind }) => kind === 'token');

  for (const kind of ['secret', 'certificatePem', 'certificatePfx'] as const) {
    for (const tenant of ['tenantId', 'tenantDomain'] as const) {
      it(`obtains a token by ${kind}, the tenant given by ${tenant}, with one discovery and one token request`, async () => {
        const token = await request(changed({ AzureTenant: use.sandbox[tenant] }, kind));
        expect(token.lifetimeMs).to.be.within(3_598_000, 3_599_000);
        expect(token.claims).to.include({
          tenantId: use.sandbox.tenantId,
          objectId: use.sandbox.objectId,
          applicationId: use.sandbox.clientId,
        });
        expect(use.sandbox.control.requests().map((entry) => entry.kind)).to.deep.equal([
          'discovery',
          'token',
        ]);
      });
    }
  }

  it('discovers the authority once for many tokens', async () => {
    const { entra, network } = entraClientFor(use.sandbox.connections.secret);
    for (let count = 0; count < 3; count += 1) await entra.requestToken();
    await network.close();
    expect(use.sandbox.control.requests().filter(({ kind }) => kind === 'discovery')).to.have.length(1);
  });

  it("D-06 goes on with yesterday's document while discovery is out of order", async () => {
    const clock = new HastyClock();
    const { entra, network } = entraClientFor(use.sandbox.connections.secret, { clock });
    const known = await entra.discover?.();
    clock.advance(25 * 3_600_000);
    use.sandbox.control.addFaults(unavailable(503, undefined, { kind: 'discovery', times: 'always' }));
    expect(await entra.discover?.())
      .to.deep.equal(known)
      .and.include({ tenantId: use.sandbox.tenantId });
    await network.close();
  });

  const REFUSED: readonly (readonly [
    title: string,
    changes: () => Record<string, string>,
    code: ErrorCode,
  ])[] = [
    ['a wrong secret', () => ({ OAuthClientSecret: 'wrong' }), 'WRONG_CLIENT_SECRET'],
    ['an unknown tenant', () => ({ AzureTenant: 'nobody.example' }), 'TENANT_NOT_FOUND'],
    [
      'an unknown application',
      () => ({ OAuthClientId: '00000000-0000-4000-8000-000000000000' }),
      'APPLICATION_NOT_FOUND',
    ],
    ['a resource nobody knows', () => ({ Scope: 'https://other.example/.default' }), 'RESOURCE_NOT_FOUND'],
  ];
  for (const [title, changes, code] of REFUSED) {
    it(`T-05 T-06 ${title} is ${code} after a single attempt`, async () => {
      await failure(request(changed(changes())), AUTHENTICATION, code);
      expect(tokenRequests().length).to.be.at.most(1);
    });
  }

  it('T-06 an expired secret is CLIENT_SECRET_EXPIRED', async () => {
    use.sandbox.control.expireSecret();
    await failure(request(), AUTHENTICATION, 'CLIENT_SECRET_EXPIRED');
  });

  it('T-06 an unregistered certificate is CERTIFICATE_NOT_REGISTERED and names its thumbprint', async () => {
    const connection = changed({ OAuthJWTCert: use.sandbox.certificates.unregisteredPem }, 'certificatePem');
    const error = await failure(request(connection), AUTHENTICATION, 'CERTIFICATE_NOT_REGISTERED');
    expect(error.message).to.match(/[0-9A-F]{64}/);
    expect(error.correlationId).to.be.a('string');
  });

  it('K-12 an expired certificate fails before anything is sent', async () => {
    const connection = changed({ OAuthJWTCert: use.sandbox.certificates.expiredPem }, 'certificatePem');
    await failure(request(connection), 'POSTGRESQL:SETTINGS', 'CERTIFICATE_EXPIRED');
    expect(use.sandbox.control.requests()).to.deep.equal([]);
  });

  it('T-01 obeys Retry-After and then succeeds', async () => {
    const clock = new HastyClock();
    use.sandbox.control.addFaults(throttled(2));
    await request(use.sandbox.connections.secret, clock);
    expect(clock.waits).to.include(2_000);
    expect(tokenRequests().map(({ status }) => status)).to.deep.equal([429, 200]);
  });

  it('T-01 obeys Retry-After of the discovery too', async () => {
    const clock = new HastyClock();
    use.sandbox.control.addFaults(throttled(2, { kind: 'discovery' }));
    await request(use.sandbox.connections.secret, clock);
    expect(clock.waits).to.include(2_000);
  });

  it('T-10 discovery and token together take no longer than Timeout', async () => {
    use.sandbox.control.addFaults(
      { action: 'pass', kind: 'discovery', delayMs: 700 },
      { action: 'pass', kind: 'token', delayMs: 700 },
    );
    const error = await failure(
      request(changed({ Timeout: '1' })),
      'POSTGRESQL:CANNOT_REACH',
      'AUTHORITY_TIMEOUT',
    );
    expect(error.message).to.include('1000 ms');
    // The authority still answers the request that was given up: not into the log of the next test.
    await untilTrue(() => tokenRequests().length === 1);
  });

  for (const status of [500, 502, 503, 504]) {
    it(`T-03 survives two answers of HTTP ${String(status)}`, async () => {
      use.sandbox.control.addFaults(unavailable(status, undefined, { times: 2 }));
      await request(use.sandbox.connections.secret, new HastyClock());
      expect(tokenRequests().map((entry) => entry.status)).to.deep.equal([status, status, 200]);
    });
  }

  it('T-03 makes no outage of its own: the next request after a failed one goes out at once', async () => {
    const clock = new HastyClock();
    const { entra, network } = entraClientFor(use.sandbox.connections.secret, { clock });
    use.sandbox.control.addFaults(unavailable(503, undefined, { times: 5 }));
    await failure(entra.requestToken(), AUTHENTICATION, 'AUTHORITY_UNAVAILABLE');
    const before = clock.steadyMs();
    expect((await entra.requestToken()).token.lifetimeMs).to.be.within(3_598_000, 3_599_000);
    expect(clock.steadyMs()).to.equal(before);
    await network.close();
  });

  for (const after of ['request', 'headers', 'body'] as const) {
    it(`T-08 tries again after a reset behind the ${after}`, async () => {
      use.sandbox.control.addFaults(reset(after));
      await request(use.sandbox.connections.secret, new HastyClock());
      expect(tokenRequests()).to.have.length(2);
    });
  }

  it('T-37 signs anew for each attempt: a replayed assertion would be refused', async () => {
    use.sandbox.control.addFaults(reset('headers', { times: 2 }));
    await request(use.sandbox.connections.certificatePem, new HastyClock());
    expect(tokenRequests()).to.have.length(3);
  });

  it('T-09 ends a wait for an authority that never answers, at its limit', async () => {
    use.sandbox.control.addFaults(silent({ times: 'always' }));
    const error = await failure(
      request(changed({ Timeout: '1' })),
      'POSTGRESQL:CANNOT_REACH',
      'AUTHORITY_TIMEOUT',
    );
    expect(error.message).to.include('1000 ms');
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`T-27 D-07 does not follow a redirect (HTTP ${String(status)}) with the secret`, async () => {
      use.sandbox.control.addFaults({
        action: 'answer',
        status,
        headers: { location: `${use.sandbox.authority.url}/caught` },
      });
      await failure(request(), AUTHENTICATION, 'AUTHORITY_REDIRECTED');
      expect(use.sandbox.control.requests().some(({ path }) => path.includes('caught'))).to.equal(false);
    });
  }

  it('D-07 does not follow a redirect of the document', async () => {
    use.sandbox.control.addFaults(redirect('https://localhost:1/elsewhere', 302, { kind: 'discovery' }));
    await failure(request(), AUTHENTICATION, 'AUTHORITY_REDIRECTED');
  });

  it('T-12 does not quote a captive portal', async () => {
    use.sandbox.control.addFaults(html(200, { times: 'always' }));
    await failure(
      request(use.sandbox.connections.secret, new HastyClock()),
      AUTHENTICATION,
      'TOKEN_RESPONSE_MALFORMED',
    );
  });

  it('T-28 stops reading at 256 KiB', async () => {
    use.sandbox.control.addFaults({
      action: 'answer',
      status: 200,
      body: 'x'.repeat(1_024),
      repeat: 100_000,
      times: 'always',
    });
    const error = await failure(
      request(use.sandbox.connections.secret, new HastyClock()),
      AUTHENTICATION,
      'TOKEN_RESPONSE_MALFORMED',
    );
    expect(error.message).to.include('256 KiB');
  });

  it('T-19 T-18 keeps a token with an absurd life for a day at most, and refuses one without a life', async () => {
    use.sandbox.control.overrideTokenResponse({ set: { expires_in: 1e15 } });
    use.sandbox.control.overrideClaims({ remove: ['exp'] });
    expect((await request()).lifetimeMs).to.equal(86_400_000);
    use.sandbox.control.overrideTokenResponse({ set: { expires_in: -5 } });
    await failure(
      request(use.sandbox.connections.secret, new HastyClock()),
      AUTHENTICATION,
      'TOKEN_RESPONSE_MALFORMED',
    );
  });

  it('T-22 takes the earlier end when the token says another than the answer', async () => {
    use.sandbox.control.setTokenLifetime(600);
    use.sandbox.control.overrideTokenResponse({ set: { expires_in: 3_599 } });
    expect((await request()).lifetimeMs).to.be.within(598_000, 600_000);
  });

  it('T-23 T-24 refuses a token for another audience or of another tenant', async () => {
    use.sandbox.control.overrideClaims({ set: { aud: 'https://graph.microsoft.com' } });
    await failure(request(), AUTHENTICATION, 'TOKEN_NOT_FOR_DATABASE');
    use.sandbox.control.overrideClaims({ set: { tid: '99999999-2222-3333-4444-555555555555' } });
    await failure(request(), AUTHENTICATION, 'TOKEN_NOT_FOR_DATABASE');
  });

  it('T-25 takes a token that is no JWT', async () => {
    use.sandbox.control.addFaults(answer({ token_type: 'Bearer', access_token: 'opaque', expires_in: 60 }));
    const token = await request();
    expect(token.claims).to.equal(undefined);
    expect(token.value.reveal()).to.equal('opaque');
  });

  const UNTRUSTED = ['self-signed', 'unknown-ca', 'wrong-host', 'expired'] as const;
  for (const kind of UNTRUSTED) {
    it(`D-10 sends nothing to an authority whose certificate is ${kind}`, async () => {
      await use.sandbox.control.setCertificate('authority', kind);
      await failure(request(), 'POSTGRESQL:TLS', 'AUTHORITY_NOT_VERIFIED');
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });
  }

  it('D-12 names an authority that cannot be reached', async () => {
    const connection = changed({ AzureAuthority: 'https://localhost:1' });
    const error = await failure(
      request(connection, new HastyClock()),
      'POSTGRESQL:CANNOT_REACH',
      'AUTHORITY_UNREACHABLE',
    );
    expect(error.message).to.include('localhost:1');
  });

  it('X-01 writes neither secret nor token nor assertion at any level', async () => {
    const logger = recordingLogger();
    for (const connection of [use.sandbox.connections.secret, use.sandbox.connections.certificatePfx]) {
      const { entra, network } = entraClientFor(connection, { logger });
      const { token } = await entra.requestToken();
      await network.close();
      expect(logger.lines.join('\n')).not.to.include(token.value.reveal());
    }
    expect(logger.lines).to.have.length.greaterThan(3);
    expect(logger.lines.join('\n')).not.to.include(use.sandbox.clientSecret).and.not.to.match(/eyJ/);
  });
});
