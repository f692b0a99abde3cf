import { createPrivateKey, randomUUID, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import { html, refused, throttled } from '#sandbox/faults.js';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { httpClient, logIn, loginError, rejection, type HttpClient } from './clients.js';

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

describe('sandbox OpenID provider, asked by oauth4webapi', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;
  let http: HttpClient;
  let key: oauth.CryptoKey;
  let options: { [oauth.customFetch]: (url: string, init: object) => Promise<Response> };

  before(async () => {
    sandbox = await startSandbox();
    http = httpClient(sandbox);
    const send = async (url: string, init: object): Promise<Response> => {
      const response = await http(url, init);
      const { status, headers } = response;
      return new Response(await response.arrayBuffer(), { status, headers: [...headers] });
    };
    options = { [oauth.customFetch]: send };
    const der = createPrivateKey(readFileSync(sandbox.certificates.pem)).export({
      type: 'pkcs8',
      format: 'der',
    });
    const algorithm = { name: 'RSA-PSS', hash: 'SHA-256' };
    key = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  });
  after(async () => {
    await http.close();
    await sandbox.close();
  });
  afterEach(() => sandbox.control.reset());

  const discover = async (algorithm: 'oidc' | 'oauth2' = 'oidc'): Promise<oauth.AuthorizationServer> => {
    const issuer = new URL(sandbox.openId.issuer);
    const response = await oauth.discoveryRequest(issuer, { ...options, algorithm });
    return oauth.processDiscoveryResponse(issuer, response);
  };
  const client = (): oauth.Client => ({ client_id: sandbox.openId.clientId });
  const grant = async (
    authentication: oauth.ClientAuth,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<oauth.TokenEndpointResponse> => {
    const server = await discover();
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client(),
      authentication,
      parameters,
      options,
    );
    return oauth.processClientCredentialsResponse(server, client(), response);
  };
  /** OAuth error of a refusal. */
  const errorOf = async (granting: Promise<unknown>): Promise<unknown> => {
    const error = await rejection(granting);
    if (error instanceof oauth.ResponseBodyError) return error.error;
    return error instanceof oauth.WWWAuthenticateChallengeError
      ? ((await error.response.json()) as { error: string }).error
      : error;
  };
  const basic = () => oauth.ClientSecretBasic(sandbox.openId.clientSecret);

  it('is discovered by OpenID Connect and by RFC 8414, issuer with path', async () => {
    const document = await discover();
    expect(new URL(document.issuer).pathname).to.equal('/realms/flows');
    expect(document.token_endpoint).to.equal(sandbox.openId.tokenEndpoint);
    expect(await discover('oauth2')).to.deep.equal(document);
    expect(
      sandbox.control.requests().map(({ service, kind, status }) => [service, kind, status]),
    ).to.deep.equal(Array.from({ length: 2 }, () => ['openId', 'discovery', 200]));
  });

  const ways: Readonly<Record<string, () => oauth.ClientAuth>> = {
    client_secret_basic: basic,
    client_secret_post: () => oauth.ClientSecretPost(sandbox.openId.clientSecret),
    private_key_jwt: () => oauth.PrivateKeyJwt(key),
  };
  for (const [name, authentication] of Object.entries(ways)) {
    it(`gives a token for ${name}, which its keys verify and its role takes`, async () => {
      const { access_token: token, scope, expires_in: lifetime } = await grant(authentication());
      expect([scope, lifetime]).to.deep.equal([sandbox.openId.scope, 3599]);
      const { jwks_uri: jwksUri = '', issuer } = await discover();
      const keys = jose.createLocalJWKSet((await (await http(jwksUri)).json()) as jose.JSONWebKeySet);
      const { audience, clientId, objectId, role } = sandbox.openId;
      const { payload } = await jose.jwtVerify(token, keys, { issuer, audience });
      expect(payload).to.include({ azp: clientId, sub: objectId });
      await (await logIn(sandbox, token, { user: role })).end();
      expect((await loginError(sandbox, token)).code).to.equal('28000');
      sandbox.control.revoke(token);
      expect((await loginError(sandbox, token, { user: role })).code).to.equal('28000');
    });
  }

  it('takes scope, audience and resource, and refuses unknown ones', async () => {
    const { scope, audience } = sandbox.openId;
    expect((await grant(basic(), { scope: 'database profile' })).scope).to.equal('database profile');
    expect(jose.decodeJwt((await grant(basic(), { scope, audience })).access_token).aud).to.equal(audience);
    expect(jose.decodeJwt((await grant(basic(), { resource: audience })).access_token).aud).to.equal(
      audience,
    );
    expect(await errorOf(grant(basic(), { scope: 'everything' }))).to.equal('invalid_scope');
    expect(await errorOf(grant(basic(), { audience: 'https://x.example' }))).to.equal('invalid_target');
    expect(await errorOf(grant(basic(), { resource: 'https://x.example' }))).to.equal('invalid_target');
  });

  it('refuses a wrong secret, a foreign key, no credential, and two of them', async () => {
    expect(await errorOf(grant(oauth.ClientSecretBasic('wrong')))).to.equal('invalid_client');
    expect(await errorOf(grant(oauth.ClientSecretPost('wrong')))).to.equal('invalid_client');
    expect(await errorOf(grant(oauth.None()))).to.equal('invalid_client');
    const { privateKey } = await oauth.generateKeyPair('PS256');
    expect(await errorOf(grant(oauth.PrivateKeyJwt(privateKey)))).to.equal('invalid_client');
    const twice = grant(basic(), { client_secret: sandbox.openId.clientSecret });
    expect(await errorOf(twice)).to.equal('invalid_request');
  });

  it('T-37 refuses the same client assertion a second time', async () => {
    const sent: URLSearchParams[] = [];
    const record = {
      ...options,
      [oauth.customFetch]: async (url: string, init: { body: URLSearchParams }) => {
        sent.push(init.body);
        return options[oauth.customFetch](url, init);
      },
    } as unknown as typeof options;
    const server = await discover();
    await oauth.clientCredentialsGrantRequest(server, client(), oauth.PrivateKeyJwt(key), {}, record);
    const again = await http(sandbox.openId.tokenEndpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: sent[0]?.toString() ?? '',
    });
    expect([again.status, ((await again.json()) as { error: string }).error]).to.deep.equal([
      401,
      'invalid_client',
    ]);
  });

  describe('for an assertion (RFC 7523 section 2.1)', () => {
    const exchange = async (assertion: string): Promise<oauth.TokenEndpointResponse> => {
      const server = await discover();
      const response = await oauth.genericTokenEndpointRequest(
        server,
        client(),
        oauth.None(),
        jwtBearer,
        { assertion },
        options,
      );
      return oauth.processGenericTokenEndpointResponse(server, client(), response);
    };
    const sign = (claims: jose.JWTPayload = {}): Promise<string> => {
      const { clientId, issuer } = sandbox.openId;
      const now = Math.floor(Date.now() / 1000);
      const all = { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID(), exp: now + 60, ...claims };
      return new jose.SignJWT(all).setProtectedHeader({ alg: 'PS256' }).sign(key);
    };

    it('gives a token to what the client signed, and to what the federation issuer did', async () => {
      const own = await exchange(await sign());
      const foreign = await exchange(
        await sandbox.federation.issueToken({ audience: sandbox.openId.tokenEndpoint }),
      );
      for (const { access_token: token } of [own, foreign])
        expect(jose.decodeJwt(token).sub).to.equal(sandbox.openId.objectId);
    });

    it('refuses another issuer, subject, audience and time, and a second use', async () => {
      const wrong: readonly jose.JWTPayload[] = [
        { iss: 'somebody' },
        { sub: 'somebody' },
        { aud: 'https://elsewhere.example' },
        { exp: 1 },
      ];
      for (const claims of wrong)
        expect(await errorOf(exchange(await sign(claims))), JSON.stringify(claims)).to.equal('invalid_grant');
      const once = await sign();
      await exchange(once);
      expect(await errorOf(exchange(once))).to.equal('invalid_grant');
      expect(await errorOf(exchange('no JWT'))).to.equal('invalid_grant');
    });
  });

  it('has the faults and the scripts of the authority', async () => {
    const post = () => http(sandbox.openId.tokenEndpoint, { method: 'POST' });
    sandbox.control.addFaults(throttled(3), html(), refused(50196, { service: 'openId' }));
    expect((await post()).headers.get('retry-after')).to.equal('3');
    expect((await post()).headers.get('content-type')).to.match(/^text\/html/);
    expect(await errorOf(grant(basic()))).to.equal('temporarily_unavailable');
    sandbox.control.setTokenLifetime(7);
    sandbox.control.overrideDiscovery({ set: { extra: 1 } });
    expect((await grant(basic())).expires_in).to.equal(7);
    expect(await discover()).to.include({ extra: 1 });
    const text = JSON.stringify(sandbox.control.requests());
    expect(text).not.to.include(sandbox.openId.clientSecret);
  });
});
