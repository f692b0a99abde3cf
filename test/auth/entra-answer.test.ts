import { expect } from 'chai';
import { judgeTokenAnswer, type TokenRequestFacts } from '#src/auth/entra-answer.js';
import type { AuthorityAnswer } from '#src/auth/network.js';
import type { ErrorCode } from '#src/errors.js';
import { failure } from '../support/failure.js';

const FACTS: TokenRequestFacts = {
  tenant: 'contoso.example',
  clientId: 'the-client-id',
  scope: 'https://ossrdbms-aad.database.windows.net/.default',
  correlationId: 'ours',
  thumbprint: 'AB12',
};
const GOOD = { token_type: 'Bearer', access_token: 'opaque-token', expires_in: 3_599 };

function answer(body: unknown, status = 200, extra: Partial<AuthorityAnswer> = {}): AuthorityAnswer {
  return {
    host: 'authority.example',
    status,
    contentType: 'application/json',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter: undefined,
    date: undefined,
    age: undefined,
    requestId: undefined,
    headerNames: [],
    ...extra,
  };
}

const judge = (given: AuthorityAnswer) => judgeTokenAnswer(given, FACTS, Date.UTC(2026, 10, 21));

describe('judging a token answer', () => {
  it('takes what RFC 6749 section 5.1 asks for', () => {
    expect(judge(answer(GOOD))).to.deep.equal({
      accessToken: 'opaque-token',
      expiresInSeconds: 3_599,
      sentAtMs: undefined,
    });
  });

  const LIVES: readonly (readonly [title: string, given: unknown, seconds: number])[] = [
    ['T-16 none', undefined, 300],
    ['T-16 null', null, 300],
    ['T-17 text', '3599', 3_599],
    ['T-17 a fraction', 3_599.7, 3_599],
    ['T-19 10^15', 1e15, 86_400],
    ['T-19 2^31', 2 ** 31, 86_400],
    ['T-19 2^53 as text', '9007199254740992', 86_400],
  ];
  for (const [title, given, seconds] of LIVES) {
    it(`${title} as expires_in means ${String(seconds)} s`, () => {
      expect(judge(answer({ ...GOOD, expires_in: given })).expiresInSeconds).to.equal(seconds);
    });
  }

  const MALFORMED: readonly (readonly [title: string, body: unknown])[] = [
    ...[0, -5, 'NaN', 'abc', true, {}, '-1'].map(
      (value) => [`T-18 expires_in ${JSON.stringify(value)}`, { ...GOOD, expires_in: value }] as const,
    ),
    ['T-11 truncated JSON', '{"access_token":"x'],
    ['T-12 HTML', '<html>log in to the hotel network</html>'],
    ...['', 'null', '[]', '"x"', '1'].map((text) => [`T-13 the body ${JSON.stringify(text)}`, text] as const),
    ['T-14 no access_token', { ...GOOD, access_token: undefined }],
    ...['', 1, {}, 'a b', 'a\r\nb', 'a\0b', 'a\u0001b', 'ä'.repeat(3), 'x'.repeat(1_048_576)].map(
      (token) =>
        [
          `T-14 access_token ${JSON.stringify(token).slice(0, 20)}`,
          { ...GOOD, access_token: token },
        ] as const,
    ),
    ['T-15 token_type mac', { ...GOOD, token_type: 'mac' }],
    ['T-15 no token_type', { ...GOOD, token_type: undefined }],
  ];
  for (const [title, body] of MALFORMED) {
    it(`${title} is malformed`, async () => {
      const error = await failure(
        () => judge(answer(body)),
        'POSTGRESQL:AUTHENTICATION',
        'TOKEN_RESPONSE_MALFORMED',
      );
      expect(error.retryable).to.equal(true);
      expect(error.message).not.to.include('hotel');
    });
  }

  for (const type of ['bearer', 'BEARER', 'Bearer']) {
    it(`T-15 takes token_type ${type}`, () => {
      expect(judge(answer({ ...GOOD, token_type: type })).accessToken).to.equal('opaque-token');
    });
  }

  it('T-29 takes the last of two equal keys, does without a BOM, and is not fooled by __proto__', () => {
    const twice =
      '\ufeff{"token_type":"Bearer","access_token":"first","access_token":"second","expires_in":60,"__proto__":{"error":"x"}}';
    expect(judge(answer(twice)).accessToken).to.equal('second');
    expect(({} as { error?: unknown }).error).to.equal(undefined);
  });

  const REFUSALS: readonly (readonly [
    aadsts: number,
    oauthError: string,
    status: number,
    code: ErrorCode,
  ])[] = [
    [7000215, 'invalid_client', 401, 'WRONG_CLIENT_SECRET'],
    [7000222, 'invalid_client', 401, 'CLIENT_SECRET_EXPIRED'],
    [7000218, 'invalid_client', 401, 'CLIENT_CREDENTIAL_MISSING'],
    [700027, 'invalid_client', 401, 'CERTIFICATE_NOT_REGISTERED'],
    [1000502, 'invalid_client', 401, 'CERTIFICATE_REJECTED'],
    [700024, 'invalid_client', 401, 'CLIENT_ASSERTION_TIME'],
    [700023, 'invalid_client', 401, 'CLIENT_ASSERTION_REFUSED'],
    [700016, 'unauthorized_client', 400, 'APPLICATION_NOT_FOUND'],
    [90002, 'invalid_request', 400, 'TENANT_NOT_FOUND'],
    [500011, 'invalid_resource', 400, 'RESOURCE_NOT_FOUND'],
    [1002012, 'invalid_scope', 400, 'SCOPE_INVALID'],
    [53003, 'access_denied', 400, 'CONDITIONAL_ACCESS_BLOCKED'],
    [99999, 'invalid_request', 400, 'TOKEN_REQUEST_REFUSED'],
  ];
  for (const [aadsts, oauthError, status, code] of REFUSALS) {
    it(`T-05 T-06 AADSTS${String(aadsts)} is ${code}, final, with its correlation id`, async () => {
      const body = {
        error: oauthError,
        error_codes: [aadsts],
        error_description: `AADSTS${String(aadsts)}: …`,
        correlation_id: 'c-1',
      };
      const error = await failure(() => judge(answer(body, status)), 'POSTGRESQL:AUTHENTICATION', code);
      expect(error).to.include({ aadsts, oauthError, correlationId: 'c-1', retryable: false });
      expect(`${error.message}${error.cure}`).not.to.match(/undefined|\{\w+\}/);
    });
  }

  it('reads the number from the description where error_codes is missing', async () => {
    const body = {
      error: 'invalid_client',
      error_description: 'AADSTS7000215: Invalid client secret provided.',
    };
    await failure(() => judge(answer(body, 401)), 'POSTGRESQL:AUTHENTICATION', 'WRONG_CLIENT_SECRET');
  });

  it('T-38 treats a 200 with an error as that error', async () => {
    const body = { ...GOOD, error: 'invalid_client', error_codes: [7000215] };
    await failure(() => judge(answer(body)), 'POSTGRESQL:AUTHENTICATION', 'WRONG_CLIENT_SECRET');
  });

  it('T-07 a 403 without JSON is final', async () => {
    const error = await failure(
      () => judge(answer('<h1>no</h1>', 403)),
      'POSTGRESQL:AUTHENTICATION',
      'TOKEN_RESPONSE_MALFORMED',
    );
    expect(error.retryable).to.equal(false);
  });

  it('T-01 a 429 is throttling with the time that the authority asks for', async () => {
    const given = answer({ error: 'temporarily_unavailable', error_codes: [90055] }, 429, {
      retryAfter: '2',
    });
    const error = await failure(() => judge(given), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_THROTTLED');
    expect(error).to.include({ retryAfterMs: 2_000, retryable: true });
  });

  for (const status of [408, 500, 502, 503, 504]) {
    it(`T-03 HTTP ${String(status)} is an outage that may be tried again`, async () => {
      const error = await failure(
        () => judge(answer('', status)),
        'POSTGRESQL:AUTHENTICATION',
        'AUTHORITY_UNAVAILABLE',
      );
      expect(error.retryable).to.equal(true);
    });
  }
});
