import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { jwtVerify } from 'jose';
import { fetch } from 'undici';
import { answer, html, redirect, reset, silent, throttled, unavailable } from '#sandbox/faults.js';
import type { Fetch } from '#src/auth/network.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { entraClientFor } from '../support/clients.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION: ErrorType = 'POSTGRESQL:AUTHENTICATION';

describe('OpenID client', function () {
  this.timeout(60_000);
  const use = useSandbox({ skipPostgres: true });

  type Changes = Readonly<Record<string, string | undefined>>;
  type Options = Parameters<typeof entraClientFor>[1];

  /** The ready-made connection with `changes`; undefined takes a property away. */
  const changed = (changes: Changes = {}): string => {
    const all = { ...use.properties({}, 'openId'), ...changes };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return formatConnectionString(Object.fromEntries(given));
  };
  const byCertificate = (): Changes => ({
    OAuthClientSecret: undefined,
    OAuthJWTCert: use.sandbox.certificates.pem,
  });
  const byGrant = (): Changes => ({
    ...byCertificate(),
    OAuthGrantType: 'JWT',
    OAuthJWTSubject: use.sandbox.openId.objectId,
  });
  const clientFor = (changes: Changes = {}, options?: Options) => {
    const { entra: client, network } = entraClientFor(changed(changes), options);
    return { client, network };
  };
  const request = async (changes: Changes = {}, options?: Options) => {
    const { client, network } = clientFor(changes, options);
    return client
      .requestToken()
      .then(({ token }) => token)
      .finally(() => network.close());
  };
  const requests = (kind: 'token' | 'discovery') =>
    use.sandbox.control.requests().filter((entry) => entry.kind === kind);
  const recorder = () => {
    const forms: URLSearchParams[] = [];
    const recording: Fetch = (url, init) => {
      if (init?.method === 'POST') forms.push(new URLSearchParams(init.body as string));
      return fetch(url, init);
    };
    return { forms, fetch: recording };
  };

  const WAYS: readonly (readonly [title: string, changes: () => Changes, grant: object])[] = [
    ['client_secret_basic', () => ({}), { credential: 'secret', secretIn: 'header' }],
    [
      'client_secret_post',
      () => ({ OAuthPasswordGrantMode: 'POST' }),
      { credential: 'secret', secretIn: 'body', clientId: 'flow reader' },
    ],
    ['private_key_jwt, PS256', byCertificate, { credential: 'certificate' }],
    [
      'private_key_jwt, RS256',
      () => ({ ...byCertificate(), OAuthJWTEncryption: 'RS256' }),
      { credential: 'certificate' },
    ],
    ['a JWT as grant', byGrant, { grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer' }],
    [
      'a JWT as grant and a secret',
      () => ({ ...byGrant(), OAuthClientSecret: use.sandbox.openId.clientSecret }),
      { grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
    ],
  ];
  for (const [title, changes, grant] of WAYS) {
    it(`obtains a token by ${title}, with one discovery and one token request`, async () => {
      const token = await request(changes());
      expect(token.lifetimeMs).to.be.within(3_598_000, 3_599_000);
      expect(token.claims).to.include({ issuer: use.sandbox.openId.issuer });
      const asked = use.sandbox.control.requests();
      expect(asked.map(({ kind, status }) => [kind, status])).to.deep.equal([
        ['discovery', 200],
        ['token', 200],
      ]);
      expect(asked[1]?.grant).to.include(grant);
      expect(asked[1]?.correlationId).to.match(/^[0-9a-f-]{36}$/);
    });
  }

  it('takes a given token endpoint without discovery', async () => {
    const { client, network } = clientFor({
      OAuthIssuer: undefined,
      OAuthAccessTokenURL: use.sandbox.openId.tokenEndpoint,
    });
    expect(client.discover).to.equal(undefined);
    expect(await client.requestToken()).to.have.all.keys('token');
    await network.close();
    expect(requests('discovery')).to.deep.equal([]);
  });

  it('asks for scope and audience, the latter by both of its names', async () => {
    const { forms, fetch: recording } = recorder();
    const { audience, scope } = use.sandbox.openId;
    const token = await request({ OAuthAudience: audience }, { fetch: recording });
    expect(token.claims?.audience).to.equal(audience);
    expect(Object.fromEntries(forms[0] ?? [])).to.deep.equal({
      grant_type: 'client_credentials',
      scope,
      audience,
      resource: audience,
    });
  });

  describe('its discovery', () => {
    it('is done once for many tokens', async () => {
      const { client, network } = clientFor();
      expect(await client.discover?.()).to.deep.equal({
        issuer: use.sandbox.openId.issuer,
        tokenEndpoint: use.sandbox.openId.tokenEndpoint,
      });
      for (let count = 0; count < 3; count += 1) await client.requestToken();
      await network.close();
      expect(requests('discovery')).to.have.length(1);
    });

    it('goes on to the document of RFC 8414 where there is none of OpenID', async () => {
      use.sandbox.control.addFaults(answer('', 404, { kind: 'discovery' }));
      await request();
      expect(requests('discovery').map(({ path }) => path)).to.deep.equal([
        '/realms/flows/.well-known/openid-configuration',
        '/.well-known/oauth-authorization-server/realms/flows',
      ]);
    });

    it('D-06 fails at once where both are absent', async () => {
      use.sandbox.control.addFaults(answer('', 404, { kind: 'discovery', times: 'always' }));
      const error = await failure(request(), AUTHENTICATION, 'DISCOVERY_FAILED');
      expect(error.message).to.include(use.sandbox.openId.issuer);
      expect(requests('discovery')).to.have.length(2);
    });

    it('D-04 D-05 sends nothing where issuer or token endpoint are not to be trusted', async () => {
      for (const set of [{ issuer: 'https://id.example' }, { token_endpoint: 'http://localhost:1/token' }]) {
        use.sandbox.control.overrideDiscovery({ set });
        await failure(request(), AUTHENTICATION, 'DISCOVERY_NOT_TRUSTED');
      }
      expect(requests('token')).to.deep.equal([]);
    });

    it("D-06 goes on with yesterday's document through an outage", async () => {
      const clock = new HastyClock();
      const { client, network } = clientFor({}, { clock });
      await client.discover?.();
      clock.advance(25 * 3_600_000);
      use.sandbox.control.addFaults(unavailable(503, undefined, { kind: 'discovery', times: 'always' }));
      expect((await client.requestToken()).token.value.reveal()).to.be.a('string');
      await network.close();
    });

    it('leaves a note by which another process needs none', async () => {
      const first = clientFor();
      const { note } = await first.client.requestToken();
      await first.network.close();
      use.sandbox.control.clearRequests();
      const { client, network } = clientFor();
      await client.requestToken(undefined, note);
      await network.close();
      expect(requests('discovery')).to.deep.equal([]);
    });

    it('does not believe a note of another issuer, of the future or of nobody', async () => {
      const { issuer, tokenEndpoint } = use.sandbox.openId;
      const noteOf = (document: object, atWallMs: number): string =>
        JSON.stringify({ document: JSON.stringify(document), atWallMs });
      const good = { issuer, token_endpoint: tokenEndpoint };
      const foreign = { issuer: 'https://id.example', token_endpoint: 'https://localhost:1/token' };
      const believes = async (note: string): Promise<boolean> => {
        use.sandbox.control.clearRequests();
        const { client, network } = clientFor();
        await client.requestToken(undefined, note);
        await network.close();
        return requests('discovery').length === 0;
      };
      const now = Date.now();
      expect(await believes(noteOf(good, now))).to.equal(true);
      for (const note of [noteOf(foreign, now), noteOf(good, now + 3_600_000), 'null', '{']) {
        expect(await believes(note), note).to.equal(false);
      }
    });
  });

  const REFUSED: readonly (readonly [title: string, changes: () => Changes, code: ErrorCode])[] = [
    ['a wrong secret', () => ({ OAuthClientSecret: 'wrong' }), 'CLIENT_REFUSED'],
    [
      'a wrong secret beside a good assertion',
      () => ({ ...byGrant(), OAuthClientSecret: 'wrong' }),
      'CLIENT_REFUSED',
    ],
    ['an unknown client', () => ({ OAuthClientId: 'nobody' }), 'CLIENT_REFUSED'],
    [
      'an unregistered certificate',
      () => ({ ...byCertificate(), OAuthJWTCert: use.sandbox.certificates.unregisteredPem }),
      'CLIENT_REFUSED',
    ],
    ['an unknown scope', () => ({ Scope: 'everything' }), 'SCOPE_REFUSED'],
    ['an unknown audience', () => ({ OAuthAudience: 'https://x.example' }), 'AUDIENCE_REFUSED'],
    [
      'an assertion for an unknown subject',
      () => ({ ...byGrant(), OAuthJWTSubject: 'nobody' }),
      'ASSERTION_REFUSED',
    ],
    [
      'an assertion for another audience',
      () => ({ ...byCertificate(), OAuthJWTAudience: 'https://elsewhere.example' }),
      'CLIENT_REFUSED',
    ],
  ];
  for (const [title, changes, code] of REFUSED) {
    it(`T-05 ${title} is ${code} after a single attempt`, async () => {
      const error = await failure(request(changes()), AUTHENTICATION, code);
      expect(requests('token')).to.have.length(1);
      expect(error.correlationId).to.equal(requests('token')[0]?.correlationId);
      expect(error.retryable).to.equal(false);
    });
  }

  describe('its assertions', () => {
    const publicKey = () => new X509Certificate(readFileSync(use.sandbox.certificates.pem)).publicKey;

    for (const [title, changes, field, subject] of [
      ['as client', byCertificate, 'client_assertion', () => use.sandbox.openId.clientId],
      ['as grant', byGrant, 'assertion', () => use.sandbox.openId.objectId],
    ] as const) {
      it(`K-29 ${title} say who, about whom, for whom, and for how long, to a foreign verifier`, async () => {
        const { forms, fetch: recording } = recorder();
        const { client, network } = clientFor(changes(), { fetch: recording });
        for (let count = 0; count < 2; count += 1) await client.requestToken();
        await network.close();
        const { issuer, clientId } = use.sandbox.openId;
        const verified = await Promise.all(
          forms.map((form) =>
            jwtVerify(form.get(field) ?? '', publicKey(), {
              issuer: clientId,
              subject: subject(),
              audience: issuer,
            }),
          ),
        );
        for (const { payload, protectedHeader } of verified) {
          expect(protectedHeader).to.include({ alg: 'PS256', typ: 'JWT' });
          expect(protectedHeader['x5t#S256']).to.be.a('string');
          expect((payload.exp ?? 0) - (payload.nbf ?? 0)).to.be.within(1, 600);
        }
        const names = verified.map(({ payload }) => payload.jti);
        expect(new Set(names).size).to.equal(2);
        expect(forms[0]?.get('client_id')).to.equal(clientId);
      });
    }

    it('name the token endpoint where no issuer is known, and what OAuthJWTAudience says above all', async () => {
      const { tokenEndpoint, issuer } = use.sandbox.openId;
      for (const [changes, audience] of [
        [{ OAuthIssuer: undefined, OAuthAccessTokenURL: tokenEndpoint }, tokenEndpoint],
        [{ OAuthAccessTokenURL: tokenEndpoint }, issuer],
        [{ OAuthJWTAudience: tokenEndpoint }, tokenEndpoint],
      ] as const) {
        const { forms, fetch: recording } = recorder();
        await request({ ...byCertificate(), ...changes }, { fetch: recording });
        await jwtVerify(forms[0]?.get('client_assertion') ?? '', publicKey(), { audience });
      }
    });

    it('T-37 are signed anew for each attempt: a replayed one would be refused', async () => {
      for (const changes of [byCertificate(), byGrant()]) {
        use.sandbox.control.clearRequests();
        use.sandbox.control.addFaults(reset('headers', { times: 2 }));
        await request(changes, { clock: new HastyClock() });
        expect(requests('token')).to.have.length(3);
      }
    });

    for (const seconds of [1_800, -1_800]) {
      it(`T-30 are signed for the time of a provider that is ${String(seconds)} s from ours`, async () => {
        use.sandbox.control.moveClock(seconds);
        for (const changes of [byCertificate(), byGrant()]) {
          use.sandbox.control.clearRequests();
          const logger = recordingLogger();
          await request(changes, { logger });
          expect(requests('token').map(({ status }) => status >= 400)).to.deep.equal([true, false]);
          expect(logger.lines.join('\n')).to.include('clock.corrected');
        }
      });
    }

    it('come from a certificate whose state is known, for the client and for the grant', async () => {
      const { validTo } = new X509Certificate(readFileSync(use.sandbox.certificates.pem));
      const secret = { OAuthClientSecret: use.sandbox.openId.clientSecret };
      for (const changes of [byCertificate(), byGrant(), { ...byGrant(), ...secret }]) {
        const { client, network } = clientFor(changes);
        expect(await client.checkCredential?.()).to.include({ validTo });
        const expires = new Date(validTo).toISOString();
        expect(client.credentialHealth()).to.include({ inUse: 'first', expires });
        await network.close();
      }
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });

    it('K-12 fail before anything is sent where the certificate has expired', async () => {
      const changes = { ...byCertificate(), OAuthJWTCert: use.sandbox.certificates.expiredPem };
      const { client, network } = clientFor(changes);
      await failure(client.checkCredential!(), 'POSTGRESQL:SETTINGS', 'CERTIFICATE_EXPIRED');
      await failure(client.requestToken(), 'POSTGRESQL:SETTINGS', 'CERTIFICATE_EXPIRED');
      await network.close();
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });
  });

  describe('with two credentials', () => {
    it('T-35 takes the second secret where the first is refused, and that one first from then on', async () => {
      const { client, network } = clientFor({
        OAuthClientSecret: 'replaced',
        OAuthClientSecretFallback: use.sandbox.openId.clientSecret,
      });
      await client.requestToken();
      await client.requestToken();
      await network.close();
      expect(requests('token').map(({ status }) => status)).to.deep.equal([401, 200, 200]);
      expect(client.credentialHealth()).to.include({ inUse: 'fallback' });
    });

    for (const [title, changes] of [
      ['of the client', byCertificate],
      ['of the grant', byGrant],
    ] as const) {
      it(`T-35 takes the second certificate ${title} where the first is refused`, async () => {
        const { pem, unregisteredPem } = use.sandbox.certificates;
        const { client, network } = clientFor({
          ...changes(),
          OAuthJWTCert: unregisteredPem,
          OAuthJWTCertFallback: pem,
        });
        await client.requestToken();
        await network.close();
        expect(requests('token').map(({ status }) => status < 400)).to.deep.equal([false, true]);
      });
    }

    it('T-33 reads a replaced file for the next token', async () => {
      const file = join(use.sandbox.directory, 'openid-secret');
      writeFileSync(file, 'not yet the secret');
      const { client, network } = clientFor({ OAuthClientSecret: `@file:${file}` });
      await failure(client.requestToken(), AUTHENTICATION, 'CLIENT_REFUSED');
      writeFileSync(file, use.sandbox.openId.clientSecret);
      await client.requestToken();
      await network.close();
    });

    it('T-33 reads a replaced certificate for the next token', async () => {
      const file = join(use.sandbox.directory, 'openid.pem');
      copyFileSync(use.sandbox.certificates.unregisteredPem, file);
      const { client, network } = clientFor({ ...byCertificate(), OAuthJWTCert: file });
      await failure(client.requestToken(), AUTHENTICATION, 'CLIENT_REFUSED');
      copyFileSync(use.sandbox.certificates.pem, file);
      await client.requestToken();
      await network.close();
    });
  });

  describe('whose provider fails', () => {
    it('T-01 obeys Retry-After and then succeeds', async () => {
      const clock = new HastyClock();
      use.sandbox.control.addFaults(throttled(2));
      await request({}, { clock });
      expect(clock.waits).to.include(2_000);
      expect(requests('token').map(({ status }) => status)).to.deep.equal([429, 200]);
    });

    it('T-03 survives two answers of HTTP 503', async () => {
      use.sandbox.control.addFaults(unavailable(503, undefined, { times: 2 }));
      await request({}, { clock: new HastyClock() });
      expect(requests('token').map(({ status }) => status)).to.deep.equal([503, 503, 200]);
    });

    it('T-09 ends a wait at its limit', async () => {
      use.sandbox.control.addFaults(silent({ times: 'always' }));
      const error = await failure(request({ Timeout: '1' }), 'POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT');
      expect(error.message).to.include('1000 ms');
    });

    it('ends with the reason of its caller', async () => {
      use.sandbox.control.addFaults(silent({ times: 'always' }));
      const { client, network } = clientFor();
      const caller = new AbortController();
      const reason = new Error('enough');
      const asked = client.requestToken(caller.signal).catch((error: unknown) => error);
      caller.abort(reason);
      expect(await asked).to.equal(reason);
      await network.close();
    });

    it('T-27 D-07 follows no redirect, with the secret or without', async () => {
      for (const kind of ['discovery', 'token'] as const) {
        use.sandbox.control.addFaults(redirect(`${use.sandbox.openId.issuer}/caught`, 307, { kind }));
        await failure(request(), AUTHENTICATION, 'AUTHORITY_REDIRECTED');
      }
      expect(use.sandbox.control.requests().some(({ path }) => path.includes('caught'))).to.equal(false);
    });

    const large = { action: 'answer', status: 200, body: 'x'.repeat(1_024), repeat: 1_000 } as const;
    for (const [title, fault, words] of [
      ['T-12 does not quote a captive portal', html(200, { times: 'always' }), 'no JSON object'],
      ['T-28 stops reading at 256 KiB', { ...large, times: 'always' as const }, '256 KiB'],
    ] as const) {
      it(title, async () => {
        use.sandbox.control.addFaults(fault);
        const asked = request({}, { clock: new HastyClock() });
        const error = await failure(asked, AUTHENTICATION, 'TOKEN_RESPONSE_MALFORMED');
        expect(error.message).to.include(words).and.not.to.include('Sign in');
      });
    }

    it('D-10 gets nothing with a certificate that cannot be verified', async () => {
      await use.sandbox.control.setCertificate('openId', 'self-signed');
      await failure(request(), 'POSTGRESQL:TLS', 'AUTHORITY_NOT_VERIFIED');
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });
  });

  it('T-23 refuses a token for another audience than OAuthAudience', async () => {
    use.sandbox.control.overrideClaims({ set: { aud: 'https://other.example' } });
    const asked = request({ OAuthAudience: use.sandbox.openId.audience });
    await failure(asked, AUTHENTICATION, 'TOKEN_NOT_FOR_DATABASE');
  });

  it('T-16 T-25 takes an opaque token, for five minutes where nothing says how long', async () => {
    use.sandbox.control.setTokenFormat('opaque');
    use.sandbox.control.overrideTokenResponse({ remove: ['expires_in'] });
    const token = await request();
    expect(token.claims).to.equal(undefined);
    expect(token.lifetimeMs).to.equal(300_000);
  });

  it('T-22 takes the earlier end when the token says another than the answer', async () => {
    use.sandbox.control.setTokenLifetime(600);
    use.sandbox.control.overrideTokenResponse({ set: { expires_in: 3_599 } });
    expect((await request()).lifetimeMs).to.be.within(598_000, 600_000);
  });

  it('X-01 writes neither secret nor token nor assertion at any level', async () => {
    const logger = recordingLogger();
    for (const changes of [{}, byCertificate(), byGrant()]) {
      const token = await request(changes, { logger });
      expect(logger.lines.join('\n')).not.to.include(token.value.reveal());
    }
    expect(logger.lines).to.have.length.greaterThan(5);
    expect(logger.lines.join('\n')).not.to.include(use.sandbox.openId.clientSecret).and.not.to.match(/eyJ/);
  });
});
