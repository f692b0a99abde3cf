import { randomUUID } from 'node:crypto';
import { ConnectorError, type ConnectorError as Failure, type ErrorContext } from '../errors.js';
import type { ManagedIdentity } from '../settings/settings.js';
import { receiveToken, type AccessToken } from './access-token.js';
import { CLOUDS } from './cloud.js';
import { askLocally } from './local-http.js';
import { identityRequest, type PlatformEnvironment } from './managed-identity-endpoint.js';
import type { AuthorityAnswer, SendLimits } from './network.js';
import { withRetries } from './retry.js';
import { aadstsIn, readTokenAnswer, type ReceivedObject } from './token-answer.js';
import { startCall, type TokenClientContext } from './token-call.js';
import type { TokenClient } from './token-client.js';

/**
 * Tokens of the identity that Azure gives to the machine or app (managed identity): nothing is proved,
 * the platform knows who asks. `environment` is read for each token; without it, that of the process.
 *
 * The request is our own: MSAL keeps, for the whole process, the endpoint and the network module of
 * whoever used it first, so that two connections would share one identity's way (msal-node 7.2).
 */
export function createManagedIdentityClient(
  identity: ManagedIdentity,
  context: Omit<TokenClientContext, 'network'>,
  // eslint-disable-next-line no-restricted-properties -- where the platform tells its programs of the identity
  environment: PlatformEnvironment = process.env,
): TokenClient {
  const { clock, diagnostics } = context;
  const query = { resource: resourceOf(identity), clientId: identity.clientId };
  const purpose = {
    resource: query.resource,
    audience: identity.audience,
    tenantId: undefined,
    warn: (text: string) => diagnostics.report('token.strange', { text }),
  };

  const ask = async (limits: SendLimits): Promise<AccessToken> => {
    const request = identityRequest(query, environment);
    const correlationId = randomUUID();
    const headers = { ...request.headers, 'x-ms-client-request-id': correlationId };
    const { host } = request.url;
    diagnostics.report('token.requested', { host, credential: 'a managed identity' });
    const unreachable = (problem: string): Failure =>
      new ConnectorError('MANAGED_IDENTITY_NOT_AVAILABLE', { problem });
    const answer = await askLocally({ ...request, headers, unreachable }, limits, context);
    const reader = {
      context: (body: ReceivedObject) => contextOf(body, correlationId),
      refusal: (_: ReceivedObject, known: ErrorContext) => refusal(answer, known, identity),
    };
    return receiveToken(readTokenAnswer(answer, reader, clock.wallMs()), purpose, clock);
  };

  return {
    checkCredential: undefined,
    discover: undefined,
    credentialHealth: () => undefined,
    keyMaterial: () => Promise.resolve(undefined),
    async requestToken(signal) {
      const limits = startCall(context, signal);
      const onRetry = ({ code }: Failure, delayMs: number): void => {
        const { host } = identityRequest(query, environment).url;
        diagnostics.report('authority.retry', { host, code, delayMs });
      };
      return { token: await withRetries({ clock, ...limits, onRetry }, () => ask(limits)) };
    },
  };
}

// The platform does not say which cloud it is part of: AUTO means the global one.
function resourceOf({ scope, environment }: ManagedIdentity): string {
  const cloud = CLOUDS[environment === 'AUTO' ? 'GLOBAL' : environment];
  return (scope ?? cloud.scope).replace(/\/\.default$/, '');
}

function contextOf(body: ReceivedObject, correlationId: string): ErrorContext {
  const { correlationId: named } = body;
  return {
    aadsts: aadstsIn(body['error_description'], body['message']),
    correlationId: typeof named === 'string' ? named.slice(0, 64) : correlationId,
  };
}

const UPDATE_MS = 10_000;

const UNKNOWN_RESOURCE: ReadonlySet<number> = new Set([50001, 500011, 650057]);

// The endpoints have no code for an unknown identity: HTTP 400 without any other reason is that.
function refusal(
  { host, status }: AuthorityAnswer,
  context: ErrorContext,
  identity: ManagedIdentity,
): Failure {
  const { clientId } = identity;
  const { oauthError = 'no error code', aadsts } = context;
  if (oauthError === 'invalid_resource' || UNKNOWN_RESOURCE.has(aadsts ?? 0))
    return new ConnectorError('RESOURCE_NOT_FOUND', { scope: `${resourceOf(identity)}/.default` }, context);
  if (aadsts !== undefined || status === 200)
    return new ConnectorError(
      'TOKEN_REQUEST_REFUSED',
      { oauthError, aadsts: aadsts === undefined ? 'no AADSTS number' : `AADSTS${String(aadsts)}` },
      context,
    );
  // The metadata service says 410 while it is being updated, for 70 seconds at most, and 404 for a moment.
  if (status === 410)
    return new ConnectorError(
      'AUTHORITY_UNAVAILABLE',
      { host, status },
      { ...context, retryAfterMs: UPDATE_MS },
    );
  if (status === 400 && clientId !== undefined)
    return new ConnectorError('MANAGED_IDENTITY_NOT_FOUND', { clientId }, context);
  const problem = status === 400 ? 'none is assigned' : `${host} answered HTTP ${String(status)}`;
  const retryable = status === 404;
  return new ConnectorError('MANAGED_IDENTITY_NOT_AVAILABLE', { problem }, { ...context, retryable });
}
