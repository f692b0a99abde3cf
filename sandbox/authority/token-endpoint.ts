import type { Reading } from '../http/reading.js';
import type { Outcome } from '../http/route.js';
import { override } from '../overrides.js';
import type { MintScript, TokenMint } from '../tokens/mint.js';
import { databaseResource, entraClaims } from './access-token.js';
import {
  authenticateClient,
  clientIdOf,
  required,
  type AuthenticationParts,
} from './client-authentication.js';
import type { Directory, Tenant } from './directory.js';
import { endpointsOf } from './discovery.js';
import { refusal } from './refusal.js';

/** What the token endpoint works with. */
export interface TokenEndpointParts extends AuthenticationParts {
  readonly directory: Directory;
  readonly mint: TokenMint;
  readonly script: MintScript;
}

/** A client credentials grant (RFC 6749 section 4.4); throws a `Refusal`, in the order in which Entra finds faults. */
export const grantClientCredentials = async (
  parts: TokenEndpointParts,
  origin: string,
  reading: Reading,
): Promise<Outcome> => {
  const { directory, mint, script } = parts;
  const tenant = tenantOf(directory, reading.tenant);
  const grantType = required(reading.form, 'grant_type');
  if (grantType !== 'client_credentials') throw refusal(70003, { grantType });
  const clientId = clientIdOf(reading);
  const application = directory.findApplication(clientId);
  if (application === undefined) throw refusal(700016, { clientId, tenant: tenant.displayName });
  refuseScope(required(reading.form, 'scope'), tenant);
  const credential = await authenticateClient(parts, application, reading, audiencesOf(origin, tenant));
  if (!application.hasServicePrincipal) throw refusal(7000229, { clientId, tenant: tenant.displayName });
  const lifetimeSeconds = script.tokenLifetimeSeconds;
  const subject = { tenantId: tenant.id, clientId, objectId: application.objectId, credential };
  const token = await mint.issue(entraClaims({ ...subject, now: parts.now(), lifetimeSeconds }));
  const response = {
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
    ext_expires_in: lifetimeSeconds,
    access_token: token.text,
  };
  return { status: 200, body: override(response, script.tokenResponse), tokenId: token.id };
};

/** The tenant of this name; throws AADSTS90002, or AADSTS900023 for what can be no tenant's name. */
export const tenantOf = (directory: Directory, name: string): Tenant => {
  const tenant = directory.findTenant(name);
  if (tenant) return tenant;
  throw refusal(isGuid(name) || isDomain(name) ? 90002 : 900023, { tenant: name });
};

const isGuid = (name: string): boolean => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(name);
const isDomain = (name: string): boolean => /^([\w-]{1,63}\.)+[a-z][\w-]{1,62}$/i.test(name);

/** Audiences that an assertion may name: token endpoint or issuer, with the tenant by GUID or by domain. */
const audiencesOf = (origin: string, tenant: Tenant): string[] =>
  [tenant.id, tenant.domain].flatMap((name) => {
    const { token_endpoint: tokenEndpoint, issuer } = endpointsOf(origin, name);
    return [tokenEndpoint, issuer];
  });

const refuseScope = (scope: string, tenant: Tenant): void => {
  if (/\s/.test(scope.trim())) throw refusal(70011, { scope });
  const [, resource] = /^(.+)\/\.default$/.exec(scope) ?? [];
  if (resource === undefined) throw refusal(1002012, { scope });
  if (resource !== databaseResource) throw refusal(500011, { resource, tenant: tenant.displayName });
};
