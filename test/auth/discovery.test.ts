import { expect } from 'chai';
import { discoveryUrl, judgeDiscovery } from '#src/auth/discovery.js';
import type { ErrorCode } from '#src/errors.js';
import { failure } from '../support/failure.js';

const TENANT = '11111111-2222-3333-4444-555555555555';
const OTHER = '99999999-2222-3333-4444-555555555555';
const GLOBAL = 'https://login.microsoftonline.com';

function documentAt(origin: string, tenant = TENANT): Record<string, unknown> {
  return {
    issuer: `${origin}/${tenant}/v2.0`,
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
    cloud_instance_name: 'microsoftonline.com',
  };
}

function judge(document: unknown, { origin = GLOBAL, tenant = TENANT, status = 200 } = {}) {
  const body = typeof document === 'string' ? document : JSON.stringify(document);
  const answer = {
    host: new URL(origin).host,
    status,
    contentType: 'application/json',
    body,
    retryAfter: undefined,
    date: undefined,
    age: undefined,
    requestId: undefined,
    headerNames: [],
  };
  return judgeDiscovery(answer, origin, tenant, Date.UTC(2026, 10, 21));
}

describe('discovery of the authority', () => {
  it('asks for the OpenID configuration of the tenant', () => {
    expect(discoveryUrl(GLOBAL, 'contoso.example')).to.equal(
      `${GLOBAL}/contoso.example/v2.0/.well-known/openid-configuration`,
    );
  });

  for (const tenant of [TENANT, 'contoso.onmicrosoft.com']) {
    it(`D-04 gives the authority of ${tenant}, its tenant by directory id`, () => {
      const found = judge(documentAt(GLOBAL), { tenant });
      expect(found).to.have.nested.property('authority.tenantId', TENANT);
      expect(found).to.have.nested.property('authority.cloud', 'GLOBAL');
      expect(found).to.have.nested.property(
        'authority.tokenEndpoint',
        `${GLOBAL}/${TENANT}/oauth2/v2.0/token`,
      );
    });
  }

  it('D-03 D-05 sends to another built-in cloud that the document names', () => {
    const usGov = 'https://login.microsoftonline.us';
    expect(judge(documentAt(usGov))).to.deep.equal({ otherCloud: usGov });
    const there = judge(documentAt(usGov), { origin: usGov });
    if (!('authority' in there)) throw new Error('expected an authority');
    expect(there.authority.cloud).to.equal('USGOVT');
  });

  const UNTRUSTED: readonly (readonly [title: string, change: Record<string, unknown>])[] = [
    ['D-04 the issuer is of another tenant', { issuer: `${GLOBAL}/${OTHER}/v2.0` }],
    ['D-04 the issuer is of no tenant', { issuer: `${GLOBAL}/{tenantid}/v2.0` }],
    ['D-05 the token endpoint stands on another host', { token_endpoint: 'https://evil.example/token' }],
    [
      'D-05 the token endpoint is http',
      { token_endpoint: 'http://login.microsoftonline.com/x/oauth2/v2.0/token' },
    ],
    [
      'D-05 the token endpoint has user information',
      { token_endpoint: 'https://a:b@login.microsoftonline.com/token' },
    ],
    ['D-05 the token endpoint has a fragment', { token_endpoint: `${GLOBAL}/token#x` }],
    ['D-05 only the keys stand elsewhere', { jwks_uri: 'https://keys.example/keys' }],
  ];
  for (const [title, change] of UNTRUSTED) {
    it(`${title}: refused`, async () => {
      await failure(
        () => judge({ ...documentAt(GLOBAL), ...change }),
        'POSTGRESQL:AUTHENTICATION',
        'DISCOVERY_NOT_TRUSTED',
      );
    });
  }

  it('D-05 a private authority may not send to a built-in cloud', async () => {
    const origin = 'https://authority.example';
    await failure(
      () => judge(documentAt(GLOBAL), { origin }),
      'POSTGRESQL:AUTHENTICATION',
      'DISCOVERY_NOT_TRUSTED',
    );
  });

  const FAILED: readonly (readonly [title: string, document: unknown, status: number, code: ErrorCode])[] = [
    ['D-06 404', '', 404, 'DISCOVERY_FAILED'],
    ['D-06 HTML', '<html>', 200, 'DISCOVERY_FAILED'],
    ['D-06 truncated', '{"issuer":', 200, 'DISCOVERY_FAILED'],
    ['D-06 503', '', 503, 'AUTHORITY_UNAVAILABLE'],
    ['D-06 429', '', 429, 'AUTHORITY_THROTTLED'],
    ['D-08 no token endpoint', { ...documentAt(GLOBAL), token_endpoint: undefined }, 200, 'DISCOVERY_FAILED'],
    [
      'D-08 a token endpoint that is a number',
      { ...documentAt(GLOBAL), token_endpoint: 7 },
      200,
      'DISCOVERY_FAILED',
    ],
    ['an unknown tenant', { error: 'invalid_tenant', error_codes: [90002] }, 400, 'TENANT_NOT_FOUND'],
  ];
  for (const [title, document, status, code] of FAILED) {
    it(`${title} is ${code}`, async () => {
      await failure(() => judge(document, { status }), 'POSTGRESQL:AUTHENTICATION', code);
    });
  }
});
