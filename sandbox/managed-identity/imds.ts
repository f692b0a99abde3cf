import { given, type Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import type { Outcome } from '../http/route.js';
import { override } from '../overrides.js';
import { issueForQuery, type IdentityParts } from './identity.js';

/** Where the instance metadata service of a virtual machine gives tokens. */
export const imdsPath = '/metadata/identity/oauth2/token';

/** A token as the instance metadata service gives it (api-version 2018-02-01): numbers are texts there. */
export const answerImds = async (parts: IdentityParts, { headers, query }: Reading): Promise<Outcome> => {
  if (headers['metadata']?.toString().toLowerCase() !== 'true')
    throw new Refusal(400, 'invalid_request', 'Required metadata header not specified');
  // What a proxy passes on does not come from the machine itself.
  if (headers['x-forwarded-for'] !== undefined)
    throw new Refusal(400, 'invalid_request', 'A request with X-Forwarded-For is not served');
  if (given(query, 'api-version') === undefined)
    throw new Refusal(400, 'invalid_request', 'Required api-version parameter not specified');
  const { token, identity, resource, lifetimeSeconds, expiresOn, notBefore } = await issueForQuery(
    parts,
    query,
  );
  const body = {
    access_token: token.text,
    client_id: identity.clientId,
    expires_in: String(lifetimeSeconds),
    expires_on: String(expiresOn),
    ext_expires_in: String(lifetimeSeconds),
    not_before: String(notBefore),
    resource,
    token_type: 'Bearer',
  };
  return { status: 200, body: override(body, parts.script.tokenResponse), tokenId: token.id };
};

/** A refusal in the form of the instance metadata service. */
export const imdsRefusal = ({ status, error, message }: Refusal): Outcome => ({
  status,
  body: { error, error_description: message },
});
