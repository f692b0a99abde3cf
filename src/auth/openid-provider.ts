import type { Budget, Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError } from '../errors.js';
import { requiredUrl } from './discovery.js';
import { DiscoveryMemory } from './discovery-memory.js';
import type { AuthorityAnswer } from './network.js';
import { requestMetadata, type Send } from './openid-request.js';
import { outageOf, parseObject } from './token-answer.js';

/** An OpenID provider, read from its metadata and checked. */
export interface Provider {
  /** As it names itself. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  /** The metadata as received. */
  readonly document: string;
}

/** Finds the token endpoint of an issuer by its metadata, and remembers it for a day. */
export class ProviderFinder {
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #memory: DiscoveryMemory<Provider>;

  constructor(issuer: string, context: { clock: Clock; diagnostics: Diagnostics }) {
    this.#issuer = issuer;
    this.#clock = context.clock;
    this.#diagnostics = context.diagnostics;
    this.#memory = new DiscoveryMemory(context.clock);
  }

  /**
   * The provider, asked by `retrying` requests where it is not known. One that was good yesterday
   * serves through an outage.
   *
   * @throws what {@link judgeMetadata} and `send` throw
   */
  find(send: Send, budget: Budget, retrying: <T>(work: () => Promise<T>) => Promise<T>): Promise<Provider> {
    return this.#memory.recall(async () => {
      const startedAtMs = this.#clock.steadyMs();
      const provider = await retrying(() => this.#ask(send));
      const { issuer, tokenEndpoint } = provider;
      const ms = Math.round(this.#clock.steadyMs() - startedAtMs);
      this.#diagnostics.report('provider.found', { issuer, host: new URL(tokenEndpoint).host, ms });
      return provider;
    }, budget);
  }

  /** What was found, as text that {@link restore} of another process takes. */
  note(): string | undefined {
    if (!this.#memory.known) return undefined;
    const { found, atWallMs } = this.#memory.known;
    return JSON.stringify({ document: found.document, atWallMs });
  }

  /** Takes over what another process found, after checking it as if it had just been received. */
  restore(note: string): void {
    if (this.#memory.known) return;
    const { document, atWallMs } = parseObject(note) ?? {};
    if (typeof document !== 'string' || typeof atWallMs !== 'number') return;
    try {
      this.#memory.keep(providerIn(document, this.#issuer), atWallMs);
    } catch {
      // It is asked for again.
    }
  }

  async #ask(send: Send): Promise<Provider> {
    const openId = await requestMetadata(this.#issuer, 'oidc', send);
    const answer = isAbsent(openId) ? await requestMetadata(this.#issuer, 'oauth2', send) : openId;
    return judgeMetadata(answer, this.#issuer, this.#clock.wallMs());
  }
}

function isAbsent({ status }: AuthorityAnswer): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/**
 * The provider whose metadata `answer` holds. It must name the `issuer` that was asked for (RFC 8414
 * section 3.3). Its token endpoint may stand on another host, as that of several large providers
 * does: the document came from the issuer itself over verified TLS, so where it sends us is the
 * issuer's own word. It must be https without user name and fragment.
 *
 * @throws ConnectorError DISCOVERY_FAILED, DISCOVERY_NOT_TRUSTED, AUTHORITY_UNAVAILABLE, AUTHORITY_THROTTLED
 */
export function judgeMetadata(answer: AuthorityAnswer, issuer: string, wallMs: number): Provider {
  const { host, status, body } = answer;
  const outage = outageOf(answer, wallMs);
  if (outage) throw outage;
  if (status !== 200) {
    const problem = `${host} has none for the issuer ${issuer} (HTTP ${String(status)})`;
    throw new ConnectorError('DISCOVERY_FAILED', { problem }, { retryable: false });
  }
  return providerIn(body, issuer);
}

function providerIn(text: string, issuer: string): Provider {
  const document = parseObject(text);
  if (!document) throw new ConnectorError('DISCOVERY_FAILED', { problem: 'it is no JSON object' });
  const named = requiredUrl(document, 'issuer');
  if (named.href !== new URL(issuer).href) {
    const problem = `it is that of ${named.href}, not of ${issuer}`;
    throw new ConnectorError('DISCOVERY_NOT_TRUSTED', { problem });
  }
  return {
    issuer: document['issuer'] as string,
    tokenEndpoint: requiredUrl(document, 'token_endpoint').href,
    document: text,
  };
}
