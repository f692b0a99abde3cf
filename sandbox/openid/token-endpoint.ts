import { randomUUID } from 'node:crypto';
import { given, type Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import type { Outcome } from '../http/route.js';
import { override } from '../overrides.js';
import type { MintScript, TokenMint } from '../tokens/mint.js';
import type { AssertionRule } from './assertion.js';
import {
  authenticateClient,
  invalidClient,
  invalidRequest,
  ownAssertions,
  type AuthenticationParts,
} from './client-authentication.js';
import { databaseAudience, scopes } from './discovery.js';

/** What the token endpoint works with. */
export interface TokenEndpointParts extends AuthenticationParts {
  readonly issuer: string;
  readonly mint: TokenMint;
  /** The rule for assertions of another issuer, which may ask for a token in the client's place. */
  readonly federated: () => Promise<AssertionRule>;
  readonly script: MintScript;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** An access token for a client credentials grant (RFC 6749 section 4.4) or an assertion (RFC 7523 section 2.1). */
export const grantToken = async (parts: TokenEndpointParts, reading: Reading): Promise<Outcome> => {
  const { client, mint, script } = parts;
  await prove(parts, reading);
  const scope = readScope(reading.form);
  const audience = readAudience(reading.form);
  const lifetimeSeconds = script.tokenLifetimeSeconds;
  const seconds = Math.floor(parts.now() / 1000);
  const token = await mint.issue({
    iss: parts.issuer,
    sub: client.subject,
    aud: audience,
    azp: client.id,
    client_id: client.id,
    iat: seconds,
    exp: seconds + lifetimeSeconds,
    jti: randomUUID(),
    scope,
    typ: 'Bearer',
  });
  const response = { access_token: token.text, token_type: 'Bearer', expires_in: lifetimeSeconds, scope };
  return { status: 200, body: override(response, script.tokenResponse), tokenId: token.id };
};

/** Rejects unless the request has what its grant asks for. */
const prove = async (parts: TokenEndpointParts, reading: Reading): Promise<void> => {
  const authenticated = await authenticateClient(parts, reading);
  const grantType = given(reading.form, 'grant_type');
  switch (grantType) {
    case 'client_credentials':
      if (!authenticated) throw invalidClient('The client did not authenticate.');
      return;
    case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
      return proveByAssertion(parts, reading.form);
    case undefined:
      throw invalidRequest('Missing form parameter: grant_type');
    default:
      throw new Refusal(400, 'unsupported_grant_type', `Unsupported grant_type '${grantType}'`);
  }
};

/** The assertion is proof enough: client authentication is optional here (RFC 7523 section 2.1). */
const proveByAssertion = async (
  { client, assertions, audiences, federated }: TokenEndpointParts,
  form: URLSearchParams,
): Promise<void> => {
  const assertion = given(form, 'assertion');
  if (assertion === undefined) throw invalidRequest('Missing form parameter: assertion');
  const rules = [ownAssertions(client), await federated()];
  await assertions.check(assertion, rules, audiences).catch((error: unknown) => {
    throw new Refusal(400, 'invalid_grant', `The assertion is not accepted: ${(error as Error).message}.`);
  });
};

const readScope = (form: URLSearchParams): string => {
  const asked = given(form, 'scope')?.split(' ') ?? [scopes[0]];
  const unknown = asked.find((scope) => !(scopes as readonly string[]).includes(scope));
  if (unknown !== undefined) throw new Refusal(400, 'invalid_scope', `Invalid scopes: ${unknown}`);
  return asked.join(' ');
};

/** The audience that `resource` (RFC 8707) or `audience` asks for; the database's when neither is there. */
const readAudience = (form: URLSearchParams): string => {
  const asked = [...form.getAll('resource'), ...form.getAll('audience')].filter((value) => value !== '');
  const unknown = asked.find((value) => value !== databaseAudience);
  if (unknown !== undefined)
    throw new Refusal(400, 'invalid_target', `The resource '${unknown}' is not known.`);
  return databaseAudience;
};
