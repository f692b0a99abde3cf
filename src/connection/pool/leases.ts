import type { Clock } from '../../clock.js';
import type { Borrower, Member, Poolable } from './poolable.js';

/** Something that is lent, and to whom. */
export interface Lease<T extends Poolable> {
  readonly member: Member<T>;
  readonly borrower: Borrower;
}

interface Running<T extends Poolable> extends Lease<T> {
  readonly stopTimer: () => void;
}

export interface LeasesOptions<T extends Poolable> {
  readonly clock: Clock;
  /** Milliseconds after which `held` is told, once for each lease; 0 = never. */
  readonly heldMs: number;
  readonly held: (lease: Lease<T>) => void;
}

/** What is lent at this moment. */
export class Leases<T extends Poolable> {
  readonly #options: LeasesOptions<T>;
  readonly #running = new Map<T, Running<T>>();

  constructor(options: LeasesOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size;
  }

  begin(lease: Lease<T>): void {
    const { clock, heldMs, held } = this.#options;
    const warn = (): void => {
      held(lease);
    };
    const stopTimer = heldMs > 0 ? clock.after(heldMs, warn, { background: true }) : (): void => undefined;
    this.#running.set(lease.member.resource, { ...lease, stopTimer });
  }

  /** Undefined when `resource` is not lent. */
  end(resource: T): Lease<T> | undefined {
    const lease = this.#running.get(resource);
    lease?.stopTimer();
    this.#running.delete(resource);
    return lease;
  }

  countOf(tenant: object): number {
    return this.#of(tenant).length;
  }

  /** Destroys what is lent to `tenant`, to all unless told. The borrowers notice, and may still return it. */
  destroy(tenant?: object): void {
    for (const { member, stopTimer } of this.#of(tenant)) {
      stopTimer();
      member.resource.destroy();
    }
  }

  #of(tenant?: object): Running<T>[] {
    const all = [...this.#running.values()];
    return tenant ? all.filter(({ borrower }) => borrower.tenant === tenant) : all;
  }
}
