import { randomUUID } from 'node:crypto';

/** OAuth errors (RFC 6749 section 5.2) and Entra's own, as the authority uses them. */
export type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_scope'
  | 'invalid_resource'
  | 'invalid_tenant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | (string & {});

/** A request that the authority refuses in Entra's AADSTS form. Thrown by whoever finds the fault. */
export class Refusal extends Error {
  readonly status: number;
  readonly error: OAuthError;
  /** The AADSTS number. */
  readonly code: number;

  constructor(status: number, error: OAuthError, code: number, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.error = error;
    this.code = code;
  }
}

/** Where and when a refusal is written down. */
export interface RefusalContext {
  /** ms since the epoch. */
  readonly now: number;
  readonly correlationId: string;
  /** Origin of the authority. */
  readonly origin: string;
}

/** The JSON body of a refusal, field by field as Entra writes it. */
export const refusalBody = (
  { error, code, message }: Refusal,
  { now, correlationId, origin }: RefusalContext,
): Record<string, unknown> => {
  const traceId = randomUUID();
  const timestamp = entraTimestamp(now);
  return {
    error,
    error_description: `AADSTS${code}: ${message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `${origin}/error?code=${code}`,
  };
};

/** `2026-11-21 18:40:00Z`, the form of times in refusals. */
const entraTimestamp = (ms: number): string =>
  `${new Date(ms).toISOString().replace('T', ' ').slice(0, 19)}Z`;

const review =
  'Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .';

/** Every refusal that the authority knows; texts as public reports show Entra's. */
export const refusals = {
  tenantUnknown: (tenant: string, error: 'invalid_tenant' | 'invalid_request') =>
    new Refusal(
      400,
      error,
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    ),
  applicationUnknown: (clientId: string, tenant: string) =>
    new Refusal(
      400,
      'unauthorized_client',
      700016,
      `Application with identifier '${clientId}' was not found in the directory '${tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
    ),
  parameterMissing: (name: string) =>
    new Refusal(
      400,
      'invalid_request',
      900144,
      `The request body must contain the following parameter: '${name}'.`,
    ),
  grantTypeUnsupported: (grantType: string) =>
    new Refusal(
      400,
      'unsupported_grant_type',
      70003,
      `The app requested an unsupported grant type '${grantType}'.`,
    ),
  secretWrong: (clientId: string) =>
    new Refusal(
      401,
      'invalid_client',
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
    ),
  secretExpired: (clientId: string) =>
    new Refusal(
      401,
      'invalid_client',
      7000222,
      `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
    ),
  credentialMissing: () =>
    new Refusal(
      401,
      'invalid_client',
      7000218,
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
  assertionMalformed: (reason: string) =>
    new Refusal(401, 'invalid_client', 50027, `JWT token is invalid or malformed. ${reason}`),
  certificateUnregistered: (thumbprintHex: string) =>
    new Refusal(
      401,
      'invalid_client',
      700027,
      `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '${thumbprintHex}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for the app.]`,
    ),
  signatureWrong: (thumbprintHex: string) =>
    new Refusal(
      401,
      'invalid_client',
      700027,
      `The certificate used to sign the client assertion is not valid. [Reason - The key was found, but use of the key to verify the signature failed., Thumbprint of key used by client: '${thumbprintHex}']`,
    ),
  certificateOutOfValidity: () =>
    new Refusal(
      401,
      'invalid_client',
      1000502,
      'The provided certificate is not within its specified validity time window.',
    ),
  assertionOutOfTime: (now: number, notBefore: number | undefined, expiry: number | undefined) =>
    new Refusal(
      401,
      'invalid_client',
      700024,
      `Client assertion is not within its valid time range. Current time: ${assertionTime(now)}, assertion valid from ${secondsTime(notBefore)}, expiry time of assertion ${secondsTime(expiry)}. ${review}`,
    ),
  assertionAudienceWrong: () =>
    new Refusal(
      401,
      'invalid_client',
      700023,
      `Client assertion audience claim does not match Realm issuer. ${review}`,
    ),
  assertionSubjectWrong: () =>
    new Refusal(
      401,
      'invalid_client',
      700021,
      `Client assertion application identifier doesn't match 'client_id' parameter. ${review}`,
    ),
  scopeMalformed: (scope: string) =>
    new Refusal(
      400,
      'invalid_scope',
      70011,
      `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
    ),
  scopeWithoutDefault: (scope: string) =>
    new Refusal(
      400,
      'invalid_scope',
      1002012,
      `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
    ),
  resourceUnknown: (resource: string, tenant: string) =>
    new Refusal(
      400,
      'invalid_resource',
      500011,
      `The resource principal named ${resource} was not found in the tenant named ${tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
    ),
} as const;

const assertionTime = (ms: number): string => new Date(ms).toISOString();
const secondsTime = (seconds: number | undefined): string =>
  seconds === undefined || !Number.isFinite(seconds) || Math.abs(seconds) > 8.64e12
    ? 'unknown'
    : assertionTime(seconds * 1000);
