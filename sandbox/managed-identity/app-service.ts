import { given, type Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import type { Outcome } from '../http/route.js';
import { sameText } from '../http/client-secret.js';
import { override } from '../overrides.js';
import { issueForQuery, type IdentityParts } from './identity.js';

/** Where the endpoint is: what App Service puts into `IDENTITY_ENDPOINT`, below the origin. */
export const appServicePath = '/msi/token';

/** A token as App Service and Functions give it (api-version 2019-08-01); `secret` is their `IDENTITY_HEADER`. */
export const answerAppService = async (
  parts: IdentityParts,
  secret: string,
  { headers, query }: Reading,
): Promise<Outcome> => {
  const sent = headers['x-identity-header'];
  if (typeof sent !== 'string' || !sameText(sent, secret))
    throw new Refusal(401, 'unauthorized', 'The header X-IDENTITY-HEADER is missing or wrong.');
  if (given(query, 'api-version') === undefined)
    throw new Refusal(400, 'invalid_request', "The parameter 'api-version' is missing.");
  const { token, identity, resource, expiresOn } = await issueForQuery(parts, query);
  const body = {
    access_token: token.text,
    client_id: identity.clientId,
    expires_on: String(expiresOn),
    resource,
    token_type: 'Bearer',
  };
  return { status: 200, body: override(body, parts.script.tokenResponse), tokenId: token.id };
};

/** A refusal in the form of App Service, with the OAuth error of IMDS beside it. */
export const appServiceRefusal = ({ status, error, message }: Refusal, correlationId: string): Outcome => ({
  status,
  body: { statusCode: status, message, error, error_description: message, correlationId },
});
