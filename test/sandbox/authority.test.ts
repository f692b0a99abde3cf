import { readFileSync } from 'node:fs';
import { createPrivateKey } from 'node:crypto';
import { expect } from 'chai';
import * as jose from 'jose';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { generateKey } from '#sandbox/certificates.js';
import {
  assertionForm,
  httpClient,
  requestToken,
  signAssertion,
  tokenForm,
  type AssertionChanges,
  type HttpClient,
  type JsonAnswer,
} from './clients.js';

describe('sandbox authority', function () {
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

  const ask = (form: URLSearchParams, tenant = sandbox.tenantId): Promise<JsonAnswer> =>
    requestToken(http, form, tenant);
  const askWithAssertion = async (changes: AssertionChanges = {}): Promise<JsonAnswer> =>
    ask(assertionForm(sandbox, await signAssertion(sandbox, changes)));

  describe('discovery', () => {
    const discover = async (tenant: string) => {
      const response = await http(`/${tenant}/v2.0/.well-known/openid-configuration`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };

    it('answers a domain name with issuer and endpoints by the GUID of the tenant', async () => {
      const { status, body } = await discover(sandbox.tenantDomain.toUpperCase());
      const base = `${sandbox.authority.url}/${sandbox.tenantId}`;
      expect(status).to.equal(200);
      expect(body).to.deep.include({
        issuer: `${base}/v2.0`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        cloud_instance_name: 'microsoftonline.com',
        tenant_region_scope: 'EU',
      });
      expect((await discover(sandbox.tenantId)).body).to.deep.equal(body);
    });

    it('refuses a tenant that it does not know with 90002', async () => {
      const { status, body } = await discover('fabrikam.example');
      expect(status).to.equal(400);
      expect(body).to.deep.include({ error: 'invalid_tenant', error_codes: [90002] });
    });

    it('serves the key that verifies its tokens', async () => {
      const response = await http(`/${sandbox.tenantDomain}/discovery/v2.0/keys`);
      const keys = jose.createLocalJWKSet((await response.json()) as jose.JSONWebKeySet);
      const { payload, protectedHeader } = await jose.jwtVerify(await sandbox.control.issueToken(), keys);
      expect(payload['oid']).to.equal(sandbox.objectId);
      expect(protectedHeader).to.include.keys('kid', 'x5t');
    });

    it('answers 404 elsewhere, and for another method', async () => {
      expect((await http('/')).status).to.equal(404);
      expect((await http(`/${sandbox.tenantId}/oauth2/v2.0/token`)).status).to.equal(404);
      expect((await http('/%E0%A4%A/v2.0/.well-known/openid-configuration')).status).to.equal(400);
    });
  });

  describe('token endpoint', () => {
    it('gives a token in the shape of v1 for the secret', async () => {
      const { status, body } = await ask(tokenForm(sandbox), sandbox.tenantDomain);
      expect(status).to.equal(200);
      expect(body).to.include({ token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599 });
      const claims = jose.decodeJwt(String(body['access_token']));
      const issuer = `https://sts.windows.net/${sandbox.tenantId}/`;
      expect(claims).to.include({
        iss: issuer,
        idp: issuer,
        aud: 'https://ossrdbms-aad.database.windows.net',
      });
      expect(claims).to.include({ appid: sandbox.clientId, appidacr: '1', idtyp: 'app', ver: '1.0' });
      expect(claims).to.include({ oid: sandbox.objectId, sub: sandbox.objectId, tid: sandbox.tenantId });
      expect(claims.exp).to.equal(Number(claims.iat) + 300 + 3599);
      expect(claims).to.include.keys('uti', 'rh', 'aio', 'nbf');
    });

    for (const algorithm of ['PS256', 'RS256'] as const) {
      it(`gives a token for a certificate by ${algorithm}`, async () => {
        const { status, body } = await askWithAssertion({ algorithm });
        expect(status).to.equal(200);
        expect(jose.decodeJwt(String(body['access_token']))).to.include({ appidacr: '2' });
      });
    }

    it('takes the issuer as audience, and the domain in the place of the GUID', async () => {
      for (const tenant of [sandbox.tenantId, sandbox.tenantDomain]) {
        for (const path of ['oauth2/v2.0/token', 'v2.0']) {
          const answer = await askWithAssertion({
            claims: { aud: `${sandbox.authority.url}/${tenant}/${path}` },
          });
          expect(answer.status, `${tenant} ${path}`).to.equal(200);
        }
      }
    });

    it('writes a refusal as Entra does', async () => {
      const id = '3fa85f64-5717-4562-b3fc-2c963f66afa6';
      const form = tokenForm(sandbox, { client_secret: 'wrong' });
      const { body, headers } = await requestToken(http, form, sandbox.tenantId, { 'client-request-id': id });
      expect(headers.get('client-request-id')).to.equal(id);
      expect(body).to.include({ error: 'invalid_client', correlation_id: id });
      expect(body['error_codes']).to.deep.equal([7000215]);
      expect(body['timestamp']).to.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/);
      expect(body['error_uri']).to.equal(`${sandbox.authority.url}/error?code=7000215`);
      expect(body['error_description']).to.match(
        new RegExp(
          `^AADSTS7000215: .* Trace ID: ${String(body['trace_id'])} Correlation ID: ${id} Timestamp: `,
        ),
      );
    });

    const refused: readonly {
      readonly title: string;
      readonly fields: Readonly<Record<string, string | undefined>>;
      readonly tenant?: string;
      readonly expected: readonly [number, string, number];
    }[] = [
      {
        title: 'unknown tenant',
        fields: {},
        tenant: 'fabrikam.example',
        expected: [400, 'invalid_request', 90002],
      },
      { title: 'unknown app', fields: { client_id: 'x' }, expected: [400, 'unauthorized_client', 700016] },
      { title: 'wrong secret', fields: { client_secret: 'x' }, expected: [401, 'invalid_client', 7000215] },
      {
        title: 'no credential',
        fields: { client_secret: undefined },
        expected: [401, 'invalid_client', 7000218],
      },
      {
        title: 'other grant',
        fields: { grant_type: 'password' },
        expected: [400, 'unsupported_grant_type', 70003],
      },
      { title: 'no grant', fields: { grant_type: undefined }, expected: [400, 'invalid_request', 900144] },
      { title: 'no app', fields: { client_id: undefined }, expected: [400, 'invalid_request', 900144] },
      { title: 'no scope', fields: { scope: undefined }, expected: [400, 'invalid_request', 900144] },
      {
        title: 'scope without .default',
        fields: { scope: 'https://ossrdbms-aad.database.windows.net' },
        expected: [400, 'invalid_scope', 1002012],
      },
      {
        title: 'two scopes',
        fields: { scope: 'a/.default b/.default' },
        expected: [400, 'invalid_scope', 70011],
      },
      {
        title: 'resource of another cloud',
        fields: { scope: 'https://ossrdbms-aad.database.chinacloudapi.cn/.default' },
        expected: [400, 'invalid_resource', 500011],
      },
      {
        title: 'doubled slash',
        fields: { scope: 'https://ossrdbms-aad.database.windows.net//.default' },
        expected: [400, 'invalid_resource', 500011],
      },
      {
        title: 'assertion of no known type',
        fields: { client_assertion: 'x', client_assertion_type: 'y' },
        expected: [401, 'invalid_client', 50027],
      },
      {
        title: 'assertion without type',
        fields: { client_assertion: 'x' },
        expected: [400, 'invalid_request', 900144],
      },
    ];
    for (const { title, fields, tenant, expected } of refused) {
      it(`refuses: ${title} (${expected[2]})`, async () => {
        const { status, body } = await ask(tokenForm(sandbox, fields), tenant);
        expect([status, body['error'], ...(body['error_codes'] as number[])]).to.deep.equal(expected);
      });
    }

    it('refuses an expired secret with 7000222, as long as it is told to', async () => {
      sandbox.control.expireSecret();
      expect((await ask(tokenForm(sandbox))).body['error_codes']).to.deep.equal([7000222]);
      sandbox.control.expireSecret(false);
      expect((await ask(tokenForm(sandbox))).status).to.equal(200);
    });

    it('does not read a body of more than 64 KB', async () => {
      const { status } = await ask(tokenForm(sandbox, { padding: 'x'.repeat(70_000) }));
      expect(status).to.equal(413);
    });
  });

  describe('client assertions', () => {
    const now = Math.floor(Date.now() / 1000);
    const refused: readonly {
      readonly title: string;
      readonly changes: () => AssertionChanges | Promise<AssertionChanges>;
      readonly code: number;
    }[] = [
      {
        title: 'unregistered certificate',
        changes: () => ({ pem: sandbox.certificates.unregisteredPem }),
        code: 700027,
      },
      {
        title: 'registered certificate, another key',
        changes: async () => ({ keyPem: (await generateKey()).privateKey }),
        code: 700027,
      },
      {
        title: 'expired certificate',
        changes: () => ({ pem: sandbox.certificates.expiredPem }),
        code: 1000502,
      },
      {
        title: 'expired assertion',
        changes: () => ({ claims: { nbf: now - 900, exp: now - 600 } }),
        code: 700024,
      },
      {
        title: 'assertion of the future',
        changes: () => ({ claims: { nbf: now + 600, exp: now + 900 } }),
        code: 700024,
      },
      { title: 'longer than ten minutes', changes: () => ({ claims: { exp: now + 3600 } }), code: 700024 },
      { title: 'exp beyond all dates', changes: () => ({ claims: { exp: 1e300 } }), code: 700024 },
      { title: 'other audience', changes: () => ({ claims: { aud: 'https://example.com' } }), code: 700023 },
      { title: 'other issuer', changes: () => ({ claims: { iss: 'someone' } }), code: 700021 },
      { title: 'other subject', changes: () => ({ claims: { sub: 'someone' } }), code: 700021 },
      { title: 'no jti', changes: () => ({ without: ['jti'] }), code: 50027 },
    ];
    for (const { title, changes, code } of refused) {
      it(`refuses: ${title} (${code})`, async () => {
        const { status, body } = await askWithAssertion(await changes());
        expect(status).to.equal(401);
        expect(body).to.deep.include({ error: 'invalid_client', error_codes: [code] });
      });
    }

    it('refuses the same jti a second time, and another one not', async () => {
      const form = assertionForm(sandbox, await signAssertion(sandbox));
      expect((await ask(form)).status).to.equal(200);
      expect((await ask(form)).body['error_codes']).to.deep.equal([50027]);
      expect((await askWithAssertion()).status).to.equal(200);
    });

    it('refuses what is no JWT, and a symmetric signature', async () => {
      expect((await ask(assertionForm(sandbox, 'a.b.c'))).body['error_codes']).to.deep.equal([50027]);
      const [header = '', payload, signature] = (await signAssertion(sandbox)).split('.');
      const parts = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
      const forged = Buffer.from(JSON.stringify({ ...parts, alg: 'HS256' })).toString('base64url');
      const { body } = await ask(assertionForm(sandbox, [forged, payload, signature].join('.')));
      expect(body['error_codes']).to.deep.equal([700027]);
    });

    it('names both clocks when they are apart', async () => {
      sandbox.control.moveClock(-900);
      const { body, headers } = await askWithAssertion();
      expect(body['error_codes']).to.deep.equal([700024]);
      expect(Math.abs(Date.parse(String(headers.get('date'))) - Date.now() + 900_000)).to.be.below(10_000);
    });
  });

  describe('request log', () => {
    it('tells what was asked and answered, without anything secret', async () => {
      const assertion = await signAssertion(sandbox);
      const granted = await ask(tokenForm(sandbox));
      await ask(assertionForm(sandbox, assertion));
      await ask(tokenForm(sandbox, { client_id: 'nobody' }), sandbox.tenantDomain);
      const requests = sandbox.control.requests();
      expect(requests.map(({ kind, status, errorCode }) => [kind, status, errorCode])).to.deep.equal([
        ['token', 200, undefined],
        ['token', 200, undefined],
        ['token', 400, 700016],
      ]);
      expect(requests.map(({ grant }) => grant?.credential)).to.deep.equal([
        'secret',
        'certificate',
        'secret',
      ]);
      expect(requests[0]?.grant?.tokenId).to.equal(
        jose.decodeJwt(String(granted.body['access_token']))['uti'],
      );
      expect(requests[1]?.grant?.assertion).to.include({
        algorithm: 'PS256',
        jti: jose.decodeJwt(assertion).jti,
      });
      expect(sandbox.control.tokenRequestCount()).to.equal(3);
      const text = JSON.stringify(requests);
      for (const secret of [sandbox.clientSecret, assertion, String(granted.body['access_token'])]) {
        expect(text).not.to.include(secret);
      }
    });
  });

  it('writes key files that Node reads', () => {
    const { pem, encryptedPem, encryptedPemPassword: passphrase } = sandbox.certificates;
    expect(createPrivateKey(readFileSync(pem)).asymmetricKeyType).to.equal('rsa');
    expect(createPrivateKey({ key: readFileSync(encryptedPem), passphrase }).asymmetricKeyType).to.equal(
      'rsa',
    );
  });
});
