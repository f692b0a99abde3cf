import { randomUUID } from 'node:crypto';
import { isConnectorError, type ErrorCode } from '../errors.js';
import type { OpenIdIdentity } from '../settings/settings.js';
import { receiveToken, type AccessToken } from './access-token.js';
import { signAssertion, type AssertionSigner } from './client-assertion.js';
import { CredentialSource, type Credential } from './credential-source.js';
import { keyMaterialOf } from './key-material.js';
import type { AuthorityAnswer, SendLimits } from './network.js';
import { judgeOpenIdAnswer, type OpenIdRequestFacts } from './openid-answer.js';
import { ProviderFinder } from './openid-provider.js';
import { requestToken, type Send } from './openid-request.js';
import { clockOffsetMs } from './token-answer.js';
import { startCall, withCallRetries, type TokenClientContext } from './token-call.js';
import type { TokenClient } from './token-client.js';

/**
 * Tokens from any OpenID provider: by client credentials (RFC 6749 section 4.4), or by an assertion
 * as the grant (RFC 7523 section 2.1). The token endpoint is given, or discovered from the issuer.
 */
export function createOpenIdClient(identity: OpenIdIdentity, context: TokenClientContext): TokenClient {
  return new OpenIdClient(identity, context);
}

/** Where tokens are asked for. */
interface Target {
  readonly tokenEndpoint: string;
  /** `aud` of every assertion. */
  readonly assertionAudience: string;
}

/** What a request proves itself with. */
interface Proof {
  /** Of the client; undefined where the grant is proof enough. */
  readonly client: Credential | undefined;
  /** Signs the assertion that is the grant. */
  readonly grant: AssertionSigner | undefined;
}

const CLIENT_CREDENTIALS = 'client_credentials';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Refusals that a wrong time in an assertion may be the cause of; OAuth has no error for it. */
const PERHAPS_TIME: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CLIENT_REFUSED', 'ASSERTION_REFUSED']);
const LEAST_CORRECTION_MS = 5_000;

class OpenIdClient implements TokenClient {
  readonly #identity: OpenIdIdentity;
  readonly #context: TokenClientContext;
  readonly #credentials: CredentialSource | undefined;
  readonly #grants: CredentialSource | undefined;
  readonly #finder: ProviderFinder | undefined;
  readonly checkCredential: TokenClient['checkCredential'];
  readonly discover: TokenClient['discover'];
  /** Milliseconds by which the provider's clock is ahead of ours, since it refused an assertion. */
  #offsetMs = 0;

  constructor(identity: OpenIdIdentity, context: TokenClientContext) {
    const { credential, grant, issuer, tokenEndpoint } = identity;
    this.#identity = identity;
    this.#context = context;
    this.#credentials = credential && new CredentialSource(credential, context);
    this.#grants = grant && new CredentialSource(grant.certificate, context);
    const signed = this.#grants ?? (credential?.kind === 'certificate' ? this.#credentials : undefined);
    this.checkCredential = signed && ((signal) => signed.check(startCall(this.#context, signal)));
    if (tokenEndpoint !== undefined || issuer === undefined) return;
    this.#finder = new ProviderFinder(issuer, context);
    this.discover = async (signal) => {
      const { tokenEndpoint: found } = await this.#target(startCall(this.#context, signal));
      return { issuer, tokenEndpoint: found };
    };
  }

  async requestToken(signal?: AbortSignal, note?: string) {
    const call = startCall(this.#context, signal);
    if (note !== undefined) this.#finder?.restore(note);
    const token = await this.#prove(call, async (proof) =>
      this.#exchangeInTime(call, await this.#target(call), proof),
    );
    const found = this.#finder?.note();
    return { token, ...(found !== undefined && { note: found }) };
  }

  async keyMaterial() {
    const source = this.#grants ?? this.#credentials;
    return source && keyMaterialOf(await source.first(startCall(this.#context, undefined)));
  }

  credentialHealth() {
    return (this.#grants ?? this.#credentials)?.health();
  }

  #send(call: SendLimits): Send {
    return (request) => this.#context.network.send(request, call);
  }

  async #target(call: SendLimits): Promise<Target> {
    const { issuer, tokenEndpoint = '', assertionAudience } = this.#identity;
    if (!this.#finder || issuer === undefined)
      return { tokenEndpoint, assertionAudience: assertionAudience ?? issuer ?? tokenEndpoint };
    const found = await this.#finder.find(this.#send(call), call.budget, (work) =>
      withCallRetries(this.#context, call, new URL(issuer).host, work),
    );
    return { tokenEndpoint: found.tokenEndpoint, assertionAudience: assertionAudience ?? found.issuer };
  }

  /** What `work` gives with the proofs of the moment; either may have a fallback. */
  #prove<T>(call: SendLimits, work: (proof: Proof) => Promise<T>): Promise<T> {
    const withGrant = (grant?: AssertionSigner): Promise<T> =>
      this.#credentials
        ? this.#credentials.use((client) => work({ client, grant }), call)
        : work({ client: undefined, grant });
    return this.#grants ? this.#grants.use((grant) => withGrant(signerOf(grant)), call) : withGrant();
  }

  // An assertion that was refused by somebody with another time is signed once more for that time.
  async #exchangeInTime(call: SendLimits, target: Target, proof: Proof): Promise<AccessToken> {
    let answer: AuthorityAnswer | undefined;
    const exchange = (): Promise<AccessToken> =>
      withCallRetries(this.#context, call, new URL(target.tokenEndpoint).host, () =>
        this.#exchange(call, target, proof, (received) => {
          answer = received;
        }),
      );
    try {
      return await exchange();
    } catch (error) {
      const isSigned = signerOf(proof.client) !== undefined || proof.grant !== undefined;
      const mayBeTime = isSigned && isConnectorError(error) && PERHAPS_TIME.has(error.code);
      if (!mayBeTime || !this.#adoptTime(answer)) throw error;
      return exchange();
    }
  }

  #adoptTime(answer: AuthorityAnswer | undefined): boolean {
    const { clock, diagnostics } = this.#context;
    const offsetMs = answer && clockOffsetMs(answer, clock.wallMs());
    if (!answer || offsetMs === undefined) return false;
    if (Math.abs(offsetMs - this.#offsetMs) < LEAST_CORRECTION_MS) return false;
    this.#offsetMs = offsetMs;
    const seconds = Math.round(offsetMs / 1_000);
    diagnostics.report('clock.corrected', { host: answer.host, seconds });
    return true;
  }

  /** One token request, with assertions of its own. */
  async #exchange(
    call: SendLimits,
    target: Target,
    proof: Proof,
    seen: (answer: AuthorityAnswer) => void,
  ): Promise<AccessToken> {
    const { clock, diagnostics } = this.#context;
    const { clientId, audience } = this.#identity;
    const correlationId = randomUUID();
    const { tokenEndpoint: endpoint } = target;
    const request = {
      endpoint,
      clientId,
      credential: proof.client,
      sign: (signer: AssertionSigner) => this.#sign(signer, clientId, target),
      grantType: proof.grant ? JWT_BEARER : CLIENT_CREDENTIALS,
      fields: { ...this.#fields(), ...(await this.#grant(proof, target)) },
      correlationId,
    };
    const credential = proof.client?.kind ?? 'an assertion';
    diagnostics.report('token.requested', { host: new URL(endpoint).host, credential });
    const answer = await requestToken(request, this.#send(call));
    seen(answer);
    const judged = judgeOpenIdAnswer(answer, this.#facts(request.grantType, correlationId), clock.wallMs());
    const warn = (text: string): void => diagnostics.report('token.strange', { text });
    return receiveToken(judged, { resource: undefined, audience, tenantId: undefined, warn }, clock);
  }

  async #grant({ grant }: Proof, target: Target): Promise<{ assertion?: string }> {
    const { grant: settings } = this.#identity;
    return grant && settings ? { assertion: await this.#sign(grant, settings.subject, target) } : {};
  }

  #sign(signer: AssertionSigner, subject: string, { assertionAudience }: Target): Promise<string> {
    const { clientId } = this.#identity;
    const purpose = { issuer: clientId, subject, audience: assertionAudience, offsetMs: this.#offsetMs };
    return signAssertion(signer, purpose, this.#context.clock);
  }

  // Providers differ in what they call the audience: `resource` (RFC 8707, an absolute URI) or
  // `audience`. Each ignores the field that it does not know (RFC 6749 section 3.2).
  #fields(): Readonly<Record<string, string>> {
    const { scope, audience } = this.#identity;
    return {
      ...(scope !== undefined && { scope }),
      ...(audience !== undefined && { audience }),
      ...(audience !== undefined && isResource(audience) && { resource: audience }),
    };
  }

  #facts(grantType: string, correlationId: string): OpenIdRequestFacts {
    const { clientId, grant, scope = '', audience = '' } = this.#identity;
    return { clientId, grantType, subject: grant?.subject ?? '', scope, audience, correlationId };
  }
}

function signerOf(credential: Credential | undefined): AssertionSigner | undefined {
  return credential?.kind === 'certificate' ? credential.signer : undefined;
}

function isResource(audience: string): boolean {
  return URL.canParse(audience) && !audience.includes('#');
}
