import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import type { EntraIdentity } from '../settings/settings.js';
import { CLOUDS } from './cloud.js';
import { discoveryUrl, judgeDiscovery, judgeDocument, type Authority } from './discovery.js';
import { parseObject } from './entra-answer.js';
import type { Network, SendLimits } from './network.js';

const LIFE_MS = 24 * 3_600_000;

/** Finds the authority of a tenant by its OpenID configuration, and remembers it for a day. */
export class AuthorityFinder {
  readonly #identity: EntraIdentity;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  #found: { readonly authority: Authority; readonly atWallMs: number; readonly untilMs: number } | undefined;

  constructor(identity: EntraIdentity, context: { clock: Clock; diagnostics: Diagnostics }) {
    this.#identity = identity;
    this.#clock = context.clock;
    this.#diagnostics = context.diagnostics;
  }

  /**
   * The authority, asked by `retrying` requests where it is not known. One that was good yesterday
   * serves through an outage.
   *
   * @throws what {@link judgeDiscovery} throws, TENANT_IN_OTHER_CLOUD, and what `network` throws
   */
  async find(
    network: Network,
    limits: SendLimits,
    retrying: <T>(work: () => Promise<T>) => Promise<T>,
  ): Promise<Authority> {
    const startedAtMs = this.#clock.steadyMs();
    if (this.#found && startedAtMs < this.#found.untilMs) return this.#found.authority;
    try {
      const authority = await retrying(() => this.#ask(network, limits));
      this.#keep(authority, this.#clock.wallMs(), LIFE_MS);
      const { tenantId, host } = authority;
      const ms = Math.round(this.#clock.steadyMs() - startedAtMs);
      this.#diagnostics.report('discovery.completed', { tenantId, host, ms });
      return authority;
    } catch (error) {
      if (this.#found && isConnectorError(error) && error.retryable) return this.#found.authority;
      throw error;
    }
  }

  /** What was found, as text that {@link restore} of another process takes. */
  note(): string | undefined {
    if (!this.#found) return undefined;
    const { authority, atWallMs } = this.#found;
    return JSON.stringify({ origin: authority.origin, document: authority.document, atWallMs });
  }

  /** Takes over what another process found, after checking it as if it had just been received. */
  restore(note: string): void {
    if (this.#found) return;
    const { origin, document, atWallMs } = parseObject(note) ?? {};
    if (typeof origin !== 'string' || typeof document !== 'string' || typeof atWallMs !== 'number') return;
    if (!this.#mayAsk(origin)) return;
    try {
      const found = judgeDocument(document, origin, this.#identity.tenant);
      const ageMs = this.#clock.wallMs() - atWallMs;
      // A document from the future is of unknown age: good for an outage, no more.
      const leftMs = ageMs >= 0 ? LIFE_MS - ageMs : 0;
      if ('authority' in found) this.#keep(found.authority, atWallMs, leftMs);
    } catch {
      // It is asked for again.
    }
  }

  #keep(authority: Authority, atWallMs: number, lifeMs: number): void {
    this.#found = { authority, atWallMs, untilMs: this.#clock.steadyMs() + lifeMs };
  }

  async #ask(network: Network, limits: SendLimits): Promise<Authority> {
    const { tenant, environment } = this.#identity;
    let origin = firstOrigin(this.#identity);
    for (let cloudsAsked = 1; ; cloudsAsked += 1) {
      const url = discoveryUrl(origin, tenant);
      const answer = await network.send({ method: 'GET', url }, limits);
      const found = judgeDiscovery(answer, origin, tenant, this.#clock.wallMs());
      if ('authority' in found) return found.authority;
      const { host } = new URL(found.otherCloud);
      if (!this.#mayAsk(found.otherCloud))
        throw new ConnectorError('TENANT_IN_OTHER_CLOUD', { tenant, host, environment });
      if (cloudsAsked === 2)
        throw new ConnectorError('DISCOVERY_NOT_TRUSTED', { problem: 'one cloud sends to the next' });
      origin = found.otherCloud;
    }
  }

  // A named cloud is held to, and so is a private authority.
  #mayAsk(origin: string): boolean {
    const first = firstOrigin(this.#identity);
    const isFree = this.#identity.environment === 'AUTO' && isCloud(first);
    return origin === first || (isFree && isCloud(origin));
  }
}

function firstOrigin({ authority, environment }: EntraIdentity): string {
  return authority ?? `https://${CLOUDS[environment === 'AUTO' ? 'GLOBAL' : environment].host}`;
}

function isCloud(origin: string): boolean {
  return Object.values(CLOUDS).some(({ host }) => origin === `https://${host}`);
}
