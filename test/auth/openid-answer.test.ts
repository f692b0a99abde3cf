import { expect } from 'chai';
import type { AuthorityAnswer } from '#src/auth/network.js';
import { judgeOpenIdAnswer } from '#src/auth/openid-answer.js';
import { judgeMetadata } from '#src/auth/openid-provider.js';
import type { ErrorCode } from '#src/errors.js';
import { failure } from '../support/failure.js';

const NOW_MS = Date.UTC(2026, 10, 21);
const FACTS = {
  clientId: 'flow reader',
  grantType: 'client_credentials',
  subject: '',
  scope: 'database',
  audience: 'https://database.example',
  correlationId: '7b0e3c1c-0000-4000-8000-000000000000',
};

function answerOf(body: unknown, changes: Partial<AuthorityAnswer> = {}): AuthorityAnswer {
  return {
    host: 'id.example',
    status: 200,
    contentType: 'application/json',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter: undefined,
    date: undefined,
    age: undefined,
    requestId: undefined,
    headerNames: [],
    ...changes,
  };
}

describe('answer of an OpenID provider', () => {
  const GOOD = { token_type: 'bearer', access_token: 'opaque-token' };

  it('T-15 T-16 T-25 takes an opaque token without a life for five minutes', () => {
    expect(judgeOpenIdAnswer(answerOf(GOOD), FACTS, NOW_MS)).to.deep.equal({
      accessToken: 'opaque-token',
      expiresInSeconds: 300,
      sentAtMs: undefined,
    });
  });

  const end = NOW_MS / 1_000;
  const LIVES: readonly (readonly [title: string, given: object, seconds: number])[] = [
    ['T-17 expires_in as text', { expires_in: '3599' }, 3_599],
    ['T-21 the earlier of expires_in and expires_on', { expires_in: 600, expires_on: end + 60 }, 60],
    ['T-21 expires_on after expires_in', { expires_in: 60, expires_on: String(end + 600) }, 60],
    ['T-21 expires_in where expires_on is over', { expires_in: 600, expires_on: end - 60 }, 600],
    ['T-21 expires_in where expires_on is no number', { expires_in: 600, expires_on: 'tomorrow' }, 600],
    ['T-21 expires_on alone', { expires_on: String(end + 3_600) }, 3_600],
    ['T-19 expires_on in a thousand years', { expires_on: end + 1e11 }, 86_400],
  ];
  for (const [title, given, seconds] of LIVES) {
    it(`${title} means ${String(seconds)} s`, () => {
      const judged = judgeOpenIdAnswer(answerOf({ ...GOOD, ...given }), FACTS, NOW_MS);
      expect(judged.expiresInSeconds).to.equal(seconds);
    });
  }

  it('T-30 counts expires_on by the clock of who sent it', () => {
    const date = new Date(NOW_MS + 600_000).toUTCString();
    const answer = answerOf({ ...GOOD, expires_on: end + 660 }, { date });
    expect(judgeOpenIdAnswer(answer, FACTS, NOW_MS).expiresInSeconds).to.equal(60);
  });

  it('T-18 refuses a life that is over or none', async () => {
    for (const life of [{ expires_in: 0 }, { expires_in: -5 }, { expires_in: true }, { expires_on: end }]) {
      await failure(
        () => judgeOpenIdAnswer(answerOf({ ...GOOD, ...life }), FACTS, NOW_MS),
        'POSTGRESQL:AUTHENTICATION',
        'TOKEN_RESPONSE_MALFORMED',
      );
    }
  });

  const REFUSED: readonly (readonly [title: string, status: number, error: string, code: ErrorCode])[] = [
    ['an unknown client', 400, 'invalid_client', 'CLIENT_REFUSED'],
    ['an unknown client as Keycloak has it', 401, 'unauthorized_client', 'CLIENT_REFUSED'],
    ['a grant that is not allowed', 400, 'unauthorized_client', 'GRANT_NOT_ALLOWED'],
    ['a grant that is not known', 400, 'unsupported_grant_type', 'GRANT_NOT_ALLOWED'],
    ['a scope', 400, 'invalid_scope', 'SCOPE_REFUSED'],
    ['an audience', 400, 'invalid_target', 'AUDIENCE_REFUSED'],
    ['anything else', 400, 'invalid_request', 'TOKEN_ENDPOINT_REFUSED'],
    ['a passing failure', 400, 'temporarily_unavailable', 'AUTHORITY_UNAVAILABLE'],
    ['T-38 an error with HTTP 200', 200, 'invalid_scope', 'SCOPE_REFUSED'],
    ['T-07 HTTP 403 without JSON', 403, '', 'TOKEN_RESPONSE_MALFORMED'],
    ['HTTP 429', 429, '', 'AUTHORITY_THROTTLED'],
    ['HTTP 503', 503, '', 'AUTHORITY_UNAVAILABLE'],
  ];
  for (const [title, status, error, code] of REFUSED) {
    it(`${title} is ${code}, by the name of the endpoint and not of Microsoft`, async () => {
      const body = error === '' ? '<html>' : { error, error_description: 'in other words' };
      const refused = await failure(
        () => judgeOpenIdAnswer(answerOf(body, { status }), FACTS, NOW_MS),
        'POSTGRESQL:AUTHENTICATION',
        code,
      );
      expect(refused.message)
        .to.include('id.example')
        .and.not.to.match(/Microsoft|undefined/);
      expect(refused.cure).not.to.match(/undefined/);
      expect(refused.correlationId).to.equal(FACTS.correlationId);
      if (error !== '') expect(refused.oauthError).to.equal(error);
    });
  }

  it('ASSERTION_REFUSED is for a grant that was an assertion', async () => {
    const answer = answerOf({ error: 'invalid_grant' }, { status: 400 });
    const asked = { ...FACTS, subject: 'maria' };
    await failure(
      () => judgeOpenIdAnswer(answer, asked, NOW_MS),
      'POSTGRESQL:AUTHENTICATION',
      'ASSERTION_REFUSED',
    );
    await failure(
      () => judgeOpenIdAnswer(answer, FACTS, NOW_MS),
      'POSTGRESQL:AUTHENTICATION',
      'TOKEN_ENDPOINT_REFUSED',
    );
  });

  it('X-01 keeps nothing of an OAuth error that could forge a line of a log', async () => {
    const answer = answerOf({ error: 'x\nline' + 'y'.repeat(1_000) }, { status: 400 });
    const error = await failure(
      () => judgeOpenIdAnswer(answer, FACTS, NOW_MS),
      'POSTGRESQL:AUTHENTICATION',
      'TOKEN_ENDPOINT_REFUSED',
    );
    expect(error.oauthError).to.have.length.below(120).and.not.to.include('\n');
  });
});

describe('metadata of an OpenID provider', () => {
  const ISSUER = 'https://id.example/realms/flows';
  const GOOD = { issuer: ISSUER, token_endpoint: `${ISSUER}/token` };
  const judge = (document: unknown, changes: Partial<AuthorityAnswer> = {}, issuer = ISSUER) =>
    judgeMetadata(answerOf(document, changes), issuer, NOW_MS);

  it('D-04 gives the token endpoint of exactly the issuer that was asked', () => {
    expect(judge(GOOD)).to.include({ issuer: ISSUER, tokenEndpoint: `${ISSUER}/token` });
    const bare = { issuer: 'https://id.example/', token_endpoint: 'https://id.example/token' };
    expect(judge(bare, {}, 'https://id.example').issuer).to.equal('https://id.example/');
  });

  it('D-05 follows the issuer to another host: it said so over verified TLS', () => {
    const elsewhere = 'https://tokens.example/token';
    expect(judge({ ...GOOD, token_endpoint: elsewhere }).tokenEndpoint).to.equal(elsewhere);
  });

  const BAD: readonly (readonly [title: string, document: unknown, code: ErrorCode])[] = [
    ['D-04 another issuer', { ...GOOD, issuer: 'https://evil.example' }, 'DISCOVERY_NOT_TRUSTED'],
    ['D-04 a longer issuer', { ...GOOD, issuer: `${ISSUER}/` }, 'DISCOVERY_NOT_TRUSTED'],
    [
      'D-05 a token endpoint in clear',
      { ...GOOD, token_endpoint: 'http://id.example/t' },
      'DISCOVERY_NOT_TRUSTED',
    ],
    ['D-05 user-info', { ...GOOD, token_endpoint: 'https://a:b@id.example/t' }, 'DISCOVERY_NOT_TRUSTED'],
    ['D-05 a fragment', { ...GOOD, token_endpoint: 'https://id.example/t#x' }, 'DISCOVERY_NOT_TRUSTED'],
    ['D-08 no token endpoint', { issuer: ISSUER }, 'DISCOVERY_FAILED'],
    ['D-08 a token endpoint that is a list', { ...GOOD, token_endpoint: [] }, 'DISCOVERY_FAILED'],
    ['D-08 no issuer', { token_endpoint: `${ISSUER}/token` }, 'DISCOVERY_FAILED'],
    ['D-06 truncated', '{"issuer":', 'DISCOVERY_FAILED'],
    ['D-06 a list', [], 'DISCOVERY_FAILED'],
  ];
  for (const [title, document, code] of BAD) {
    it(`${title} is ${code}`, () => failure(() => judge(document), 'POSTGRESQL:AUTHENTICATION', code));
  }

  it('D-06 tells an outage from a provider that has no such document', async () => {
    const outage = await failure(
      () => judge('', { status: 502 }),
      'POSTGRESQL:AUTHENTICATION',
      'AUTHORITY_UNAVAILABLE',
    );
    const absent = await failure(
      () => judge('', { status: 404 }),
      'POSTGRESQL:AUTHENTICATION',
      'DISCOVERY_FAILED',
    );
    expect([outage.retryable, absent.retryable]).to.deep.equal([true, false]);
  });
});
