import { databaseResource, entraClaims } from '../authority/access-token.js';
import { given } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import type { AccessToken, MintScript, TokenMint } from '../tokens/mint.js';

/** A managed identity: a principal of the tenant without credentials of its own. */
export interface ManagedIdentity {
  readonly clientId: string;
  readonly objectId: string;
}

/** What the endpoints give tokens from. */
export interface IdentityParts {
  readonly tenantId: string;
  /** Who asks without naming anybody. */
  readonly systemAssigned: ManagedIdentity;
  /** Who has to be named by client id or object id. */
  readonly userAssigned: ManagedIdentity;
  readonly mint: TokenMint;
  readonly script: MintScript;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** A token, whom it is for and until when. */
export interface IdentityToken {
  readonly token: AccessToken;
  readonly identity: ManagedIdentity;
  readonly resource: string;
  readonly lifetimeSeconds: number;
  /** Seconds since the epoch. */
  readonly expiresOn: number;
  readonly notBefore: number;
}

/**
 * The token that a query asks for by `resource` and, for an identity other than the system-assigned one, by
 * `client_id`, `object_id` or `principal_id`. Rejects with 400 `invalid_resource` or `identity_not_found`.
 */
export const issueForQuery = async (parts: IdentityParts, query: URLSearchParams): Promise<IdentityToken> => {
  const resource = given(query, 'resource');
  if (resource === undefined)
    throw new Refusal(400, 'invalid_request', "The parameter 'resource' is missing.");
  if (resource.replace(/\/$/, '') !== databaseResource)
    throw new Refusal(400, 'invalid_resource', `The resource principal named ${resource} was not found.`);
  const identity = findIdentity(parts, query);
  const { tenantId, mint, script } = parts;
  const lifetimeSeconds = script.tokenLifetimeSeconds;
  const now = parts.now();
  const subject = { ...identity, tenantId, credential: 'certificate', now, lifetimeSeconds } as const;
  const token = await mint.issue(entraClaims(subject));
  const seconds = Math.floor(now / 1000);
  return {
    token,
    identity,
    resource,
    lifetimeSeconds,
    expiresOn: seconds + lifetimeSeconds,
    notBefore: seconds - 300,
  };
};

const findIdentity = (
  { systemAssigned, userAssigned }: IdentityParts,
  query: URLSearchParams,
): ManagedIdentity => {
  const clientId = given(query, 'client_id')?.toLowerCase();
  const objectId = (given(query, 'object_id') ?? given(query, 'principal_id'))?.toLowerCase();
  if (clientId === undefined && objectId === undefined) return systemAssigned;
  const found = [systemAssigned, userAssigned].find(
    (identity) =>
      identity.clientId === (clientId ?? identity.clientId) &&
      identity.objectId === (objectId ?? identity.objectId),
  );
  if (!found) throw new Refusal(400, 'identity_not_found', 'Identity not found');
  return found;
};
