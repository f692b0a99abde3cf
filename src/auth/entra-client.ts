import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';
import { ConnectorError, isConnectorError } from '../errors.js';
import type { EntraIdentity } from '../settings/settings.js';
import { receiveToken, type AccessToken } from './access-token.js';
import { AuthorityFinder } from './authority-finder.js';
import { signAssertion } from './client-assertion.js';
import { basicAuthorization } from './client-secret.js';
import { CLOUDS } from './cloud.js';
import { CredentialSource, type Credential } from './credential-source.js';
import type { Authority } from './discovery.js';
import { keyMaterialOf } from './key-material.js';
import { judgeTokenAnswer, type TokenRequestFacts } from './entra-answer.js';
import type { AuthorityAnswer, SendLimits } from './network.js';
import { parseObject } from './token-answer.js';
import { clockOffsetMs } from './token-answer.js';
import { startCall, withCallRetries, type TokenClientContext } from './token-call.js';
import type { TokenClient } from './token-client.js';

type Msal = typeof import('@azure/msal-node');

// Its CommonJS form loads in half the time of the other.
function loadMsal(): Msal {
  return createRequire(import.meta.url)('@azure/msal-node') as Msal;
}

/**
 * Tokens of an application from Microsoft Entra ID by client credentials (RFC 6749 section 4.4):
 * one token request unless it must be retried.
 */
export function createEntraClient(identity: EntraIdentity, context: TokenClientContext): TokenClient {
  return new EntraClient(identity, context);
}

const STRANGE_SECONDS = 300;

class EntraClient implements TokenClient {
  readonly #identity: EntraIdentity;
  readonly #context: TokenClientContext;
  readonly #credentials: CredentialSource;
  readonly #finder: AuthorityFinder;
  readonly checkCredential: TokenClient['checkCredential'];
  /** Milliseconds by which the authority's clock is ahead of ours, since it refused our time. */
  #offsetMs = 0;
  #clockToldUntilMs = -Infinity;

  constructor(identity: EntraIdentity, context: TokenClientContext) {
    this.#identity = identity;
    this.#context = context;
    this.#credentials = new CredentialSource(identity.credential, context);
    this.#finder = new AuthorityFinder(identity, context);
    this.checkCredential =
      identity.credential.kind === 'certificate'
        ? (signal) => this.#credentials.check(startCall(this.#context, signal))
        : undefined;
  }

  readonly discover = async (signal?: AbortSignal) => {
    const { tenantId, origin, cloud } = await this.#find(startCall(this.#context, signal));
    return { tenantId, authority: origin, ...(cloud !== undefined && { cloud }) };
  };

  async requestToken(signal?: AbortSignal, note?: string) {
    const call = startCall(this.#context, signal);
    if (note !== undefined) this.#finder.restore(note);
    const token = await this.#credentials.use(async (credential) => {
      const authority = await this.#find(call);
      return this.#exchangeInTime(call, authority, credential);
    }, call);
    const found = this.#finder.note();
    return { token, ...(found !== undefined && { note: found }) };
  }

  async keyMaterial() {
    return keyMaterialOf(await this.#credentials.first(startCall(this.#context, undefined)));
  }

  credentialHealth() {
    return this.#credentials.health();
  }

  #find(call: SendLimits): Promise<Authority> {
    return this.#finder.find(this.#context.network, call, (host, work) =>
      withCallRetries(this.#context, call, host, work),
    );
  }

  // An assertion that was refused for its time is signed once more for the time of the authority.
  async #exchangeInTime(
    call: SendLimits,
    authority: Authority,
    credential: Credential,
  ): Promise<AccessToken> {
    let answer: AuthorityAnswer | undefined;
    const exchange = (): Promise<AccessToken> =>
      withCallRetries(this.#context, call, authority.host, () =>
        this.#exchange(call, authority, credential, (received) => {
          answer = received;
        }),
      );
    try {
      return await exchange();
    } catch (error) {
      const isTime = isConnectorError(error) && error.code === 'CLIENT_ASSERTION_TIME';
      if (!isTime || credential.kind !== 'certificate' || !this.#adoptTime(answer)) throw error;
      return exchange();
    }
  }

  #adoptTime(answer: AuthorityAnswer | undefined): boolean {
    const { clock, diagnostics } = this.#context;
    const offsetMs = answer && clockOffsetMs(answer, clock.wallMs());
    if (!answer || offsetMs === undefined) return false;
    this.#offsetMs = offsetMs;
    const seconds = Math.round(offsetMs / 1_000);
    diagnostics.report('clock.corrected', { host: answer.host, seconds });
    return true;
  }

  /**
   * One token request through MSAL, which builds the form and knows the protocol. A fresh
   * application per request costs microseconds and keeps no token, throttle or secret behind;
   * caching, sharing and renewal are the token source's.
   */
  async #exchange(
    call: SendLimits,
    authority: Authority,
    credential: Credential,
    seen: (answer: AuthorityAnswer) => void,
  ): Promise<AccessToken> {
    const { clock, network, diagnostics } = this.#context;
    const { clientId, region } = this.#identity;
    const msal = loadMsal();
    const correlationId = randomUUID();
    const tokenEndpoint = endpointIn(authority, region);
    const scope = this.#scope(authority);
    const facts = this.#facts(scope, credential, correlationId);
    let received: AccessToken | undefined;
    const carrier = carrierOf(msal, async (url, request) => {
      requireEndpoint(url, tokenEndpoint);
      const headers = { ...request.headers, 'client-request-id': correlationId };
      const post = placed({ headers, body: request.body }, credential, clientId);
      const answer = await network.send({ method: 'POST', url, ...post }, call);
      seen(answer);
      this.#tellOfClock(answer);
      const judged = judgeTokenAnswer(answer, facts, clock.wallMs());
      received = receiveToken(judged, this.#purpose(scope, authority), clock);
      return judged;
    });
    const application = new msal.ConfidentialClientApplication({
      auth: {
        clientId,
        authority: `${authority.origin}/${authority.tenantId}`,
        authorityMetadata: documentWith(authority, tokenEndpoint),
        knownAuthorities: [authority.host],
        ...this.#proof(credential, authority),
      },
      system: { networkClient: carrier.module },
    });
    diagnostics.report('token.requested', { host: authority.host, credential: credential.kind });
    try {
      // Without this region the environment variable MSAL_FORCE_REGION would send requests elsewhere.
      const azureRegion = 'DisableMsalForceRegion';
      const request = { scopes: [scope], skipCache: true, azureRegion, correlationId };
      await application.acquireTokenByClientCredential(request);
    } catch (error) {
      throw carrier.failure() ?? error;
    }
    if (!received) throw new ConnectorError('INTERNAL', { problem: 'MSAL answered without a request' });
    return received;
  }

  // A wrong clock spoils the dates of everything else, also where no assertion depends on it.
  #tellOfClock({ host, date = '' }: AuthorityAnswer): void {
    const { clock, diagnostics } = this.#context;
    const seconds = Math.round((Date.parse(date) - clock.wallMs()) / 1_000);
    const nowMs = clock.steadyMs();
    if (!(Math.abs(seconds) > STRANGE_SECONDS) || nowMs < this.#clockToldUntilMs) return;
    this.#clockToldUntilMs = nowMs + 86_400_000;
    diagnostics.report('clock.differs', { host, seconds });
  }

  #scope(authority: Authority): string {
    const { scope, environment } = this.#identity;
    return scope ?? CLOUDS[environment === 'AUTO' ? (authority.cloud ?? 'GLOBAL') : environment].scope;
  }

  #purpose(scope: string, { tenantId }: Authority): Parameters<typeof receiveToken>[1] {
    return {
      resource: scope.replace(/\/?\.default$/, ''),
      audience: this.#identity.audience,
      tenantId,
      warn: (text) => this.#context.diagnostics.report('token.strange', { text }),
    };
  }

  #facts(scope: string, credential: Credential, correlationId: string): TokenRequestFacts {
    const { tenant, clientId } = this.#identity;
    const thumbprint = credential.kind === 'certificate' ? credential.signer.entry.thumbprintSha256 : '';
    return { tenant, clientId, scope, thumbprint, correlationId };
  }

  #proof(
    credential: Credential,
    { tokenEndpoint }: Authority,
  ): { clientSecret: string } | { clientAssertion: () => Promise<string> } {
    if (credential.kind === 'secret') return { clientSecret: credential.secret.reveal() };
    if (credential.kind === 'assertion')
      return { clientAssertion: () => Promise.resolve(credential.assertion.reveal()) };
    const { clientId } = this.#identity;
    const { clock } = this.#context;
    const purpose = {
      issuer: clientId,
      subject: clientId,
      audience: tokenEndpoint,
      offsetMs: this.#offsetMs,
    };
    return { clientAssertion: () => signAssertion(credential.signer, purpose, clock) };
  }
}

function requireEndpoint(url: string, tokenEndpoint: string): void {
  const { origin, pathname } = new URL(url);
  if (`${origin}${pathname}`.replace(/\/$/, '') === tokenEndpoint.replace(/\/$/, '')) return;
  throw new ConnectorError('DISCOVERY_NOT_TRUSTED', {
    problem: 'the token request would go to another endpoint',
  });
}

/** The token endpoint of `authority`, or that of one region of its cloud; an assertion is for the former. */
function endpointIn({ tokenEndpoint, host }: Authority, region: string | undefined): string {
  if (region === undefined) return tokenEndpoint;
  const endpoint = new URL(tokenEndpoint);
  endpoint.host = `${region}.${host === CLOUDS.GLOBAL.host ? 'login.microsoft.com' : host}`;
  return endpoint.href;
}

// MSAL knows no regions of an authority whose document it is given: the region goes into the document.
function documentWith({ document }: Authority, tokenEndpoint: string): string {
  return JSON.stringify({ ...parseObject(document), token_endpoint: tokenEndpoint });
}

interface TokenPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

// MSAL puts the secret into the form; BASIC moves it into the header, encoded as RFC 6749 section 2.3.1 says.
function placed(post: TokenPost, credential: Credential, clientId: string): TokenPost {
  if (credential.kind !== 'secret' || credential.placement === 'POST') return post;
  const form = new URLSearchParams(post.body);
  form.delete('client_secret');
  return {
    headers: { ...post.headers, authorization: basicAuthorization(clientId, credential.secret.reveal()) },
    body: form.toString(),
  };
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
