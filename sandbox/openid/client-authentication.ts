import { readClientSecret, sameText } from '../http/client-secret.js';
import { given, type Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import { assertionType } from '../tokens/assertion.js';
import type { AssertionCheck, AssertionRule } from './assertion.js';
import type { OpenIdClient } from './client.js';

/** What clients are judged by. */
export interface AuthenticationParts {
  readonly client: OpenIdClient;
  readonly assertions: AssertionCheck;
  /** What an assertion may name as its audience: issuer and token endpoint. */
  readonly audiences: readonly string[];
}

/** The rule for what a client signs itself. */
export const ownAssertions = ({ id, subject, publicKey }: OpenIdClient): AssertionRule => ({
  issuer: id,
  subjects: [id, subject],
  publicKey,
  once: true,
});

/**
 * Whether the request proves that it comes from the client, by `client_secret_basic`, `client_secret_post` or
 * `private_key_jwt` (OpenID Connect Core 1.0 section 9); false if it carries no proof at all.
 * Rejects with `invalid_client` for a wrong one, and with `invalid_request` for two of them.
 */
export const authenticateClient = async (
  { client, assertions, audiences }: AuthenticationParts,
  { headers, form }: Reading,
): Promise<boolean> => {
  const sent = readClientSecret({ headers, form });
  if (!sent) throw invalidRequest('The Authorization header cannot be read.');
  const { clientId, secret } = sent;
  const assertion = given(form, 'client_assertion');
  if (
    secret !== undefined &&
    (assertion !== undefined || (sent.sentIn === 'header' && form.has('client_secret')))
  )
    throw invalidRequest('The client used more than one way to authenticate.');
  if (assertion !== undefined) {
    if (given(form, 'client_assertion_type') !== assertionType)
      throw invalidRequest('The client_assertion_type is missing or unknown.');
    await assertions.check(assertion, [ownAssertions(client)], audiences).catch((error: unknown) => {
      throw invalidClient(`The client assertion is not accepted: ${(error as Error).message}.`);
    });
    return true;
  }
  if (clientId !== undefined && clientId !== client.id) throw invalidClient(wrongCredentials);
  if (secret === undefined) return false;
  if (clientId === undefined || !sameText(secret, client.secret)) throw invalidClient(wrongCredentials);
  return true;
};

const wrongCredentials = 'Invalid client or Invalid client credentials';

/** A refusal of whoever did not prove who it is. */
export const invalidClient = (message: string): Refusal => new Refusal(401, 'invalid_client', message);

/** A refusal of a request that says too little, or too much. */
export const invalidRequest = (message: string): Refusal => new Refusal(400, 'invalid_request', message);
