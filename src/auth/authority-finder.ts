import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError } from '../errors.js';
import type { EntraIdentity } from '../settings/settings.js';
import { CLOUDS } from './cloud.js';
import { discoveryUrl, judgeDiscovery, judgeDocument, type Authority } from './discovery.js';
import { DiscoveryMemory } from './discovery-memory.js';
import type { Network, SendLimits } from './network.js';
import { parseObject } from './token-answer.js';

/** Finds the authority of a tenant by its OpenID configuration, and remembers it for a day. */
export class AuthorityFinder {
  readonly #identity: EntraIdentity;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #memory: DiscoveryMemory<Authority>;

  constructor(identity: EntraIdentity, context: { clock: Clock; diagnostics: Diagnostics }) {
    this.#identity = identity;
    this.#clock = context.clock;
    this.#diagnostics = context.diagnostics;
    this.#memory = new DiscoveryMemory(context.clock);
  }

  /**
   * The authority, asked by `retrying` requests where it is not known. One that was good yesterday
   * serves through an outage.
   *
   * @throws what {@link judgeDiscovery} throws, TENANT_IN_OTHER_CLOUD, and what `network` throws
   */
  find(
    network: Network,
    limits: SendLimits,
    retrying: <T>(host: string, work: () => Promise<T>) => Promise<T>,
  ): Promise<Authority> {
    return this.#memory.recall(async () => {
      const startedAtMs = this.#clock.steadyMs();
      const { host: asked } = new URL(firstOrigin(this.#identity));
      const authority = await retrying(asked, () => this.#ask(network, limits));
      const { tenantId, host } = authority;
      const ms = Math.round(this.#clock.steadyMs() - startedAtMs);
      this.#diagnostics.report('discovery.completed', { tenantId, host, ms });
      return authority;
    }, limits.budget);
  }

  /** What was found, as text that {@link restore} of another process takes. */
  note(): string | undefined {
    if (!this.#memory.known) return undefined;
    const { found, atWallMs } = this.#memory.known;
    return JSON.stringify({ origin: found.origin, document: found.document, atWallMs });
  }

  /** Takes over what another process found, after checking it as if it had just been received. */
  restore(note: string): void {
    if (this.#memory.known) return;
    const { origin, document, atWallMs } = parseObject(note) ?? {};
    if (typeof origin !== 'string' || typeof document !== 'string' || typeof atWallMs !== 'number') return;
    if (!this.#mayAsk(origin)) return;
    try {
      const found = judgeDocument(document, origin, this.#identity.tenant);
      if ('authority' in found) this.#memory.keep(found.authority, atWallMs);
    } catch {
      // It is asked for again.
    }
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
