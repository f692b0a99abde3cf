import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';
import { aborted, deadline, startBudget, type Budget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import type { CredentialSettings, Settings } from '../settings/settings.js';
import { receiveToken, type AccessToken } from './access-token.js';
import { loadCredential, signAssertion, type Credential } from './credential.js';
import { databaseScope, discoveryUrl, judgeDiscovery, type Authority } from './discovery.js';
import { judgeTokenAnswer, type TokenRequestFacts } from './entra-answer.js';
import type { Network } from './network.js';
import { withRetries } from './retry.js';

type Msal = typeof import('@azure/msal-node');

/** Obtains tokens of one identity from Microsoft Entra ID by client credentials (RFC 6749 section 4.4). */
export interface EntraClient {
  /** Reads and checks the credential; no network. Throws what {@link loadCredential} throws. */
  loadCredential(signal?: AbortSignal): Promise<Credential>;
  /** The authority of the tenant, from the network at most once a day. */
  discover(signal?: AbortSignal): Promise<Authority>;
  /** A new token. Discovers the authority first where needed; one token request unless it must be retried. */
  requestToken(signal?: AbortSignal): Promise<AccessToken>;
}

export interface EntraClientOptions {
  readonly identity: Settings['identity'];
  /** What one call may take, all its requests and retries together, in milliseconds; 0 = no limit. */
  readonly timeoutMs: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

const DISCOVERY_LIFE_MS = 24 * 3_600_000;

export function createEntraClient(options: EntraClientOptions): EntraClient {
  const { identity, clock, timeoutMs, diagnostics } = options;
  let discovered: { authority: Authority; until: number } | undefined;

  const attemptOf = (signal: AbortSignal | undefined): Attempt => ({
    ...options,
    budget: startBudget(clock, timeoutMs),
    signal,
  });

  const discover = async (attempt: Attempt): Promise<Authority> => {
    if (discovered && clock.steadyMs() < discovered.until) return discovered.authority;
    const startedAt = clock.steadyMs();
    try {
      const authority = await retrying(attempt, () => fetchAuthority(attempt));
      discovered = { authority, until: clock.steadyMs() + DISCOVERY_LIFE_MS };
      diagnostics.report('discovery.completed', {
        tenantId: authority.tenantId,
        host: authority.host,
        ms: Math.round(clock.steadyMs() - startedAt),
      });
      return authority;
    } catch (error) {
      // A document that was good yesterday serves through an outage of the authority.
      if (discovered && isConnectorError(error) && error.retryable) return discovered.authority;
      throw error;
    }
  };

  return {
    loadCredential: (signal) => loadInTime(identity.credential, attemptOf(signal)),
    discover: (signal) => discover(attemptOf(signal)),
    async requestToken(signal) {
      const attempt = attemptOf(signal);
      const credential = await loadInTime(identity.credential, attempt);
      const authority = await discover(attempt);
      return retrying(attempt, () => exchangeToken(attempt, authority, credential));
    },
  };
}

/** One request of a caller, with everything that its steps share. */
interface Attempt extends EntraClientOptions {
  readonly budget: Budget;
  readonly signal: AbortSignal | undefined;
}

function retrying<T>(attempt: Attempt, work: () => Promise<T>): Promise<T> {
  const { identity, diagnostics } = attempt;
  const onRetry = ({ code }: ConnectorError, delayMs: number): void => {
    diagnostics.report('authority.retry', { host: new URL(identity.authority).host, code, delayMs });
  };
  return withRetries({ ...attempt, onRetry }, work);
}

// Deriving the key of a store takes as long as the store says: the caller waits no longer than its limit.
async function loadInTime(
  settings: CredentialSettings,
  { clock, budget, signal }: Attempt,
): Promise<Credential> {
  const problem = `opening it took longer than ${String(budget.totalMs)} ms`;
  const limit = deadline(
    clock,
    budget.remainingMs(),
    () => new ConnectorError('CERTIFICATE_UNREADABLE', { problem }),
    signal,
  );
  try {
    limit.signal.throwIfAborted();
    return await Promise.race([loadCredential(settings, clock), aborted(limit.signal)]);
  } finally {
    limit.dispose();
  }
}

async function fetchAuthority(attempt: Attempt): Promise<Authority> {
  const { identity, network, clock } = attempt;
  let origin = identity.authority;
  for (let cloudsAsked = 1; ; cloudsAsked += 1) {
    const url = discoveryUrl(origin, identity.tenant);
    const answer = await network.send({ method: 'GET', url }, attempt);
    const found = judgeDiscovery(answer, origin, identity.tenant, clock.wallMs());
    if ('authority' in found) return found.authority;
    if (cloudsAsked === 2)
      throw new ConnectorError('DISCOVERY_NOT_TRUSTED', { problem: 'one cloud sends to the next' });
    origin = found.otherCloud;
  }
}

/**
 * One token request through MSAL, which builds the form and knows the protocol. A fresh
 * application per request costs microseconds and keeps no token, throttle or secret behind;
 * caching, sharing and renewal are the token source's.
 */
async function exchangeToken(
  attempt: Attempt,
  authority: Authority,
  credential: Credential,
): Promise<AccessToken> {
  const { clock, identity, network } = attempt;
  const msal = await import('@azure/msal-node');
  const scope = identity.scope ?? databaseScope(authority);
  const facts: TokenRequestFacts = {
    tenant: identity.tenant,
    clientId: identity.clientId,
    scope,
    thumbprint: credential.kind === 'certificate' ? credential.entry.thumbprintSha256 : '',
  };
  let received: AccessToken | undefined;
  const carrier = carrierOf(msal, async (url, request) => {
    requireEndpoint(url, authority);
    const answer = await network.send({ method: 'POST', url, ...request }, attempt);
    const judged = judgeTokenAnswer(answer, facts, clock.wallMs());
    received = receiveToken(judged, { scope, tenantId: authority.tenantId }, clock);
    return judged;
  });
  const application = new msal.ConfidentialClientApplication({
    auth: {
      clientId: identity.clientId,
      authority: `${authority.origin}/${authority.tenantId}`,
      authorityMetadata: authority.document,
      knownAuthorities: [authority.host],
      ...proofOf(credential, identity.clientId, authority, clock),
    },
    system: { networkClient: carrier.module },
  });
  attempt.diagnostics.report('token.requested', {
    host: authority.host,
    credential: credential.kind,
  });
  try {
    // Without this region the environment variable MSAL_FORCE_REGION would send requests elsewhere.
    const request = { scopes: [scope], skipCache: true, azureRegion: 'DisableMsalForceRegion' };
    await application.acquireTokenByClientCredential(request);
  } catch (error) {
    throw carrier.failure() ?? error;
  }
  if (!received) throw new ConnectorError('INTERNAL', { problem: 'MSAL answered without a request' });
  return received;
}

function proofOf(
  credential: Credential,
  clientId: string,
  authority: Authority,
  clock: Clock,
): { clientSecret: string } | { clientAssertion: () => Promise<string> } {
  if (credential.kind === 'secret') return { clientSecret: credential.secret.reveal() };
  const { entry } = credential;
  return {
    clientAssertion: () => signAssertion(entry, { clientId, tokenEndpoint: authority.tokenEndpoint }, clock),
  };
}

function requireEndpoint(url: string, authority: Authority): void {
  const { origin, pathname } = new URL(url);
  if (origin + pathname !== authority.tokenEndpoint) {
    throw new ConnectorError('DISCOVERY_NOT_TRUSTED', {
      problem: 'the token request would go to another endpoint',
    });
  }
}

interface TokenPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * MSAL's network module over `post`. MSAL sees successes only: a failure is kept aside and
 * carried through MSAL as an AuthError, the one kind it neither swallows nor answers with a
 * minute of refusing to send.
 */
function carrierOf(
  { AuthError }: Msal,
  post: (url: string, request: TokenPost) => Promise<{ accessToken: string; expiresInSeconds: number }>,
): { module: INetworkModule; failure: () => unknown } {
  let failure: unknown;
  const answer = async <T>(url: string, request?: NetworkRequestOptions): Promise<NetworkResponse<T>> => {
    try {
      const judged = await post(url, { headers: request?.headers ?? {}, body: request?.body ?? '' });
      const body = {
        token_type: 'Bearer',
        access_token: judged.accessToken,
        expires_in: judged.expiresInSeconds,
      };
      return { status: 200, headers: {}, body: body as T };
    } catch (error) {
      failure = error;
      throw new AuthError('connector_error', '', 'see the failure that the connector kept aside');
    }
  };
  const module: INetworkModule = { sendPostRequestAsync: answer, sendGetRequestAsync: answer };
  return { module, failure: () => failure };
}
