import { timingSafeEqual, createHash } from 'node:crypto';
import { assertionType, outlineAssertion, type AssertionJudge } from './client-assertion.js';
import { databaseResource, type AccessToken } from './access-token.js';
import type { Directory, DirectoryApplication, Tenant } from './directory.js';
import { endpointsOf } from './discovery.js';
import { refusals } from './refusal.js';
import type { GrantRecord } from './request-log.js';

/** What the token endpoint works with. */
export interface TokenEndpointParts {
  readonly directory: Directory;
  readonly judge: AssertionJudge;
  readonly secretExpired: () => boolean;
  /** Makes the token once the client has proved who it is. */
  readonly issue: (
    application: DirectoryApplication,
    credential: 'secret' | 'certificate',
  ) => Promise<{ readonly token: AccessToken; readonly response: Record<string, unknown> }>;
}

/** The answer to a request that was granted. */
export interface Grant {
  /** The JSON body (RFC 6749 section 5.1). */
  readonly response: Record<string, unknown>;
  readonly tokenId: string;
}

/** A client credentials grant (RFC 6749 section 4.4); throws a `Refusal`, in the order in which Entra finds faults. */
export const grantClientCredentials = async (
  parts: TokenEndpointParts,
  origin: string,
  tenantName: string,
  form: URLSearchParams,
): Promise<Grant> => {
  const tenant = parts.directory.findTenant(tenantName);
  if (tenant === undefined) throw refusals.tenantUnknown(tenantName, 'invalid_request');
  const grantType = required(form, 'grant_type');
  if (grantType !== 'client_credentials') throw refusals.grantTypeUnsupported(grantType);
  const clientId = required(form, 'client_id');
  const application = parts.directory.findApplication(clientId);
  if (application === undefined) throw refusals.applicationUnknown(clientId, tenant.displayName);
  refuseScope(required(form, 'scope'), tenant);
  const credential = await authenticate(parts, application, form, audiencesOf(origin, tenant));
  const { token, response } = await parts.issue(application, credential);
  return { response, tokenId: token.id };
};

/** What a token request asks for, without anything secret; for the request log. */
export const outlineGrant = (form: URLSearchParams): GrantRecord => {
  const [grantType, clientId, scope] = ['grant_type', 'client_id', 'scope'].map((name) =>
    form.get(name)?.slice(0, 500),
  );
  const [assertion, secret] = ['client_assertion', 'client_secret'].map((name) => given(form, name));
  return {
    ...(grantType !== undefined && { grantType }),
    ...(clientId !== undefined && { clientId }),
    ...(scope !== undefined && { scope }),
    credential: assertion !== undefined ? 'certificate' : secret !== undefined ? 'secret' : 'none',
    ...(assertion !== undefined && { assertion: outlineAssertion(assertion) }),
  };
};

/** The value of a parameter; undefined if it is absent or empty, which means the same (RFC 6749 section 3.2). */
const given = (form: URLSearchParams, name: string): string | undefined => {
  const value = form.get(name);
  return value === null || value === '' ? undefined : value;
};

const required = (form: URLSearchParams, name: string): string => {
  const value = given(form, name);
  if (value === undefined) throw refusals.parameterMissing(name);
  return value;
};

/** Audiences that an assertion may name: token endpoint or issuer, with the tenant by GUID or by domain. */
const audiencesOf = (origin: string, tenant: Tenant): string[] =>
  [tenant.id, tenant.domain].flatMap((name) => {
    const { token_endpoint: tokenEndpoint, issuer } = endpointsOf(origin, name);
    return [tokenEndpoint, issuer];
  });

const authenticate = async (
  parts: TokenEndpointParts,
  application: DirectoryApplication,
  form: URLSearchParams,
  audiences: readonly string[],
): Promise<'secret' | 'certificate'> => {
  const assertion = given(form, 'client_assertion');
  if (assertion !== undefined) {
    const type = required(form, 'client_assertion_type');
    if (type !== assertionType)
      throw refusals.assertionMalformed(`'${type}' is not a known client_assertion_type.`);
    await parts.judge.judge(assertion, application, audiences);
    return 'certificate';
  }
  const secret = given(form, 'client_secret');
  if (secret === undefined) throw refusals.credentialMissing();
  if (!sameText(secret, application.clientSecret)) throw refusals.secretWrong(application.clientId);
  if (parts.secretExpired()) throw refusals.secretExpired(application.clientId);
  return 'secret';
};

const refuseScope = (scope: string, tenant: Tenant): void => {
  if (/\s/.test(scope.trim())) throw refusals.scopeMalformed(scope);
  const [, resource] = /^(.+)\/\.default$/.exec(scope) ?? [];
  if (resource === undefined) throw refusals.scopeWithoutDefault(scope);
  if (resource !== databaseResource) throw refusals.resourceUnknown(resource, tenant.displayName);
};

const sameText = (left: string, right: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
};
