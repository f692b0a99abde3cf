import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.js';
import { ConnectorError, isConnectorError } from '../errors.js';

/** What a pool keeps: something that opens slowly, may break by itself, and is used by one at a time. */
export interface Poolable {
  /** False once it must not be lent again. */
  readonly usable: boolean;
  readonly openedAtMs: number;
  /** Runs `listener` when it becomes unusable by itself. */
  whenBroken(listener: () => void): void;
  close(): Promise<void>;
  destroy(): void;
}

export interface PoolOptions<T extends Poolable> {
  readonly open: (signal: AbortSignal) => Promise<T>;
  /** Whether what comes back is kept for the next one. */
  readonly keepsIdle: boolean;
  readonly minSize: number;
  readonly maxSize: number;
  /** Milliseconds; 0 = no limit, as for the next two. */
  readonly waitMs: number;
  readonly idleMs: number;
  readonly lifeMs: number;
  readonly clock: Clock;
  /** Why opening takes long, where that may go on without end: nobody waits for it beyond `waitMs`. */
  readonly trouble?: () => Error | undefined;
  /** Told why a resource was closed. */
  readonly onClose?: (resource: T, reason: string) => void;
  /** Told what was lent, after how many milliseconds of waiting. */
  readonly onLend?: (resource: T, counts: PoolCounts, waitedMs: number) => void;
  readonly onReturn?: (resource: T, counts: PoolCounts) => void;
}

export interface PoolCounts {
  readonly idle: number;
  readonly inUse: number;
  readonly opening: number;
  readonly waiting: number;
}

interface Waiter<T> {
  readonly give: (resource: T) => void;
  readonly fail: (error: Error) => void;
  /** Its time is over, but nothing is lent out: it learns what became of the one that is opening. */
  isOverdue: boolean;
}

interface Idle<T> {
  readonly resource: T;
  readonly stopTimer: () => void;
}

const NOT_KEPT = 'UseConnectionPooling is false';

/**
 * Lends resources, first come first served. A resource stands in exactly one place: opening,
 * idle, in use, or gone.
 */
export class Pool<T extends Poolable> {
  readonly #options: PoolOptions<T>;
  readonly #idle: Idle<T>[] = [];
  readonly #inUse = new Set<T>();
  readonly #waiters = new Set<Waiter<T>>();
  readonly #closing = new AbortController();
  /** What is opening, each with what ends it. */
  readonly #openings = new Set<AbortController>();
  #closed: Promise<void> | undefined;
  #allReturned: (() => void) | undefined;

  constructor(options: PoolOptions<T>) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal);
  }

  counts(): PoolCounts {
    return {
      idle: this.#idle.length,
      inUse: this.#inUse.size,
      opening: this.#openings.size,
      waiting: this.#waiters.size,
    };
  }

  /** Lends a resource to `work` and takes it back when that has settled. */
  async use<R>(work: (resource: T) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const resource = await this.acquire(signal);
    try {
      return await work(resource);
    } finally {
      this.release(resource);
    }
  }

  /**
   * A resource that the caller must give back with {@link release}. Prefer {@link use}.
   *
   * @throws ConnectorError POOL_EXHAUSTED, CONNECTOR_CLOSED, what opening failed with, or the
   *   reason of `signal`
   */
  async acquire(signal?: AbortSignal): Promise<T> {
    this.#requireOpen();
    signal?.throwIfAborted();
    const { clock, onLend } = this.#options;
    const askedAtMs = clock.steadyMs();
    const idle = this.#waiters.size === 0 ? this.#takeIdle() : undefined;
    if (idle) this.#inUse.add(idle);
    const lent = idle ?? (await this.#wait(signal));
    onLend?.(lent, this.counts(), clock.steadyMs() - askedAtMs);
    return lent;
  }

  /** Takes `resource` back. Unusable or over-age ones are closed, the rest goes to the next waiter. */
  release(resource: T): void {
    if (!this.#inUse.delete(resource)) return;
    this.#options.onReturn?.(resource, this.counts());
    const fault = this.#options.keepsIdle ? this.#faultOf(resource) : NOT_KEPT;
    if (fault !== undefined) void this.#dispose(resource, fault);
    else this.#place(resource);
    this.#openForWaiters();
    if (this.#inUse.size === 0) this.#allReturned?.();
  }

  /**
   * Rejects everyone who waits, closes what is idle, and gives borrowers `graceMs` to return what
   * they hold before it is destroyed. Idempotent.
   */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    this.#closing.abort(new ConnectorError('CONNECTOR_CLOSED', {}));
    for (const waiter of [...this.#waiters]) waiter.fail(this.#closing.signal.reason as Error);
    const closed = this.#idle.splice(0).map(({ resource, stopTimer }) => {
      stopTimer();
      return this.#dispose(resource, 'the connector is closed');
    });
    await Promise.all([...closed, this.#returned(graceMs)]);
  }

  async #returned(graceMs: number): Promise<void> {
    if (this.#inUse.size === 0) return;
    await new Promise<void>((resolve) => {
      const stop = this.#options.clock.after(graceMs, resolve);
      this.#allReturned = (): void => {
        stop();
        resolve();
      };
    });
    for (const resource of this.#inUse) resource.destroy();
  }

  #requireOpen(): void {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
  }

  #wait(signal: AbortSignal | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        waiter.fail(signal?.reason as Error);
        this.#abandonSurplus();
      };
      const settle = (act: () => void): void => {
        this.#waiters.delete(waiter);
        stopTimer();
        signal?.removeEventListener('abort', leave);
        act();
      };
      const waiter: Waiter<T> = {
        isOverdue: false,
        give: (resource) => {
          settle(() => {
            this.#inUse.add(resource);
            resolve(resource);
          });
        },
        fail: (error) => {
          settle(() => {
            reject(error);
          });
        },
      };
      const { waitMs, clock } = this.#options;
      const expire = (): void => {
        const trouble = this.#openings.size > 0 ? this.#options.trouble?.() : undefined;
        if (trouble) {
          waiter.fail(trouble);
          this.#abandonSurplus();
        } else if (this.#inUse.size === 0 && this.#openings.size > 0) waiter.isOverdue = true;
        else waiter.fail(this.#exhausted());
      };
      const stopTimer = waitMs > 0 ? clock.after(waitMs, expire) : (): void => undefined;
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiters.add(waiter);
      this.#openForWaiters();
    });
  }

  #openForWaiters(): void {
    const room = (): boolean =>
      this.#idle.length + this.#inUse.size + this.#openings.size < this.#options.maxSize;
    while (this.#openings.size < this.#waiters.size && room() && !this.#closing.signal.aborted)
      void this.#openOne();
  }

  async #openOne(): Promise<void> {
    const opening = new AbortController();
    const close = (): void => {
      opening.abort(this.#closing.signal.reason);
    };
    this.#closing.signal.addEventListener('abort', close, { once: true });
    this.#openings.add(opening);
    let resource: T;
    try {
      resource = await this.#options.open(opening.signal);
    } catch (error) {
      const isAbandoned = !this.#openings.delete(opening);
      if (!isAbandoned) this.#openingFailed(error);
      return;
    } finally {
      this.#openings.delete(opening);
      this.#closing.signal.removeEventListener('abort', close);
    }
    resource.whenBroken(() => {
      this.#discardIdle(resource);
    });
    if (this.#closing.signal.aborted) await this.#dispose(resource, 'the connector is closed');
    else this.#place(resource);
    this.#failOverdue(() => this.#exhausted());
  }

  /**
   * While others are lent out or opening and the trouble may pass (too many connections, say),
   * who waits is served by what comes. Else all would fail the same way: nobody tries again in
   * their name.
   */
  #openingFailed(error: unknown): void {
    const mayBeServed =
      this.#inUse.size + this.#openings.size > 0 && isConnectorError(error) && error.retryable;
    if (mayBeServed) this.#failOverdue(() => error);
    else for (const waiter of [...this.#waiters]) waiter.fail(error as Error);
  }

  // What opens for callers who have all left keeps the token request and the server busy for nobody.
  #abandonSurplus(): void {
    for (const opening of [...this.#openings].slice(this.#waiters.size)) {
      this.#openings.delete(opening);
      opening.abort(new ConnectorError('CANCELLED', {}));
    }
  }

  #failOverdue(error: () => Error): void {
    for (const waiter of [...this.#waiters]) if (waiter.isOverdue) waiter.fail(error());
  }

  /** To the first waiter, else among the idle. */
  #place(resource: T): void {
    const [waiter] = this.#waiters;
    if (waiter) waiter.give(resource);
    else if (this.#options.keepsIdle) this.#rest(resource);
    else void this.#dispose(resource, NOT_KEPT);
  }

  #rest(resource: T): void {
    const { idleMs, clock } = this.#options;
    const retire = (): void => {
      if (this.#idle.length <= this.#options.minSize) return;
      this.#idle.splice(this.#idle.indexOf(entry), 1);
      void this.#dispose(resource, 'idle for too long');
    };
    const entry: Idle<T> = {
      resource,
      stopTimer: idleMs > 0 ? clock.after(idleMs, retire, { background: true }) : (): void => undefined,
    };
    this.#idle.push(entry);
  }

  #discardIdle(resource: T): void {
    const at = this.#idle.findIndex((entry) => entry.resource === resource);
    const [entry] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (!entry) return;
    entry.stopTimer();
    void this.#dispose(resource, 'ended while idle');
  }

  /** The idle one that was used last, so that the others may grow old. */
  #takeIdle(): T | undefined {
    for (let entry = this.#idle.pop(); entry; entry = this.#idle.pop()) {
      entry.stopTimer();
      const fault = this.#faultOf(entry.resource);
      if (fault === undefined) return entry.resource;
      void this.#dispose(entry.resource, fault);
    }
    return undefined;
  }

  #faultOf(resource: T): string | undefined {
    const { lifeMs, clock } = this.#options;
    if (this.#closing.signal.aborted) return 'the connector is closed';
    if (!resource.usable) return 'broken, or left in a transaction';
    if (lifeMs > 0 && clock.steadyMs() - resource.openedAtMs >= lifeMs)
      return 'older than ConnectionLifeTime';
    return undefined;
  }

  async #dispose(resource: T, reason: string): Promise<void> {
    this.#options.onClose?.(resource, reason);
    await resource.close();
  }

  #exhausted(): ConnectorError {
    const { inUse, opening, waiting } = this.counts();
    const { waitMs, maxSize: max } = this.#options;
    return new ConnectorError('POOL_EXHAUSTED', { waitMs, inUse, opening, waiting, max });
  }
}
