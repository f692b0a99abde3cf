import { setMaxListeners } from 'node:events';
import { ConnectorError, isConnectorError } from '../errors.js';
import { BackOff } from './pool/back-off.js';
import { IdleMembers, OVER_AGE } from './pool/idle-members.js';
import { Leases } from './pool/leases.js';
import { Openings } from './pool/openings.js';
import type { Borrower, Member, Poolable, PoolCounts, PoolOptions } from './pool/poolable.js';
import { verdictOf } from './pool/verdict.js';
import { WaitingLine, type Waiter } from './pool/waiting-line.js';
import { Watchers } from './pool/watchers.js';

export type { Borrower, Poolable, PoolCounts, PoolOptions } from './pool/poolable.js';

/** A rest after which a resource is asked whether it still answers, in milliseconds. HikariCP has the same. */
const FRESH_MS = 500;
/** At most half of the time that the waiter has, so that another one may still be opened in it. */
const VALIDATION_LIMIT_MS = 1_000;
/** The session itself ends a reset that hangs; this is for one that does not. */
const CLEANING_LIMIT_MS = 10_000;
/** Share of its life by which a resource may end earlier, so that those opened together do not end together. */
const JITTER = 0.1;

const ANYBODY: Borrower = { operation: 'somebody' };
const NOT_KEPT = 'UseConnectionPooling is false';
const CLOSED = 'the connector is closed';

/**
 * Lends resources, first come first served. A resource stands in exactly one place: opening, idle,
 * being validated, in use, being cleaned, or on its way out; all but the last count for the size.
 */
export class Pool<T extends Poolable> {
  readonly #options: PoolOptions<T>;
  readonly #line: WaitingLine<T>;
  readonly #idle: IdleMembers<T>;
  readonly #leases: Leases<T>;
  readonly #openings: Openings<T>;
  readonly #cleaning = new Set<Member<T>>();
  /** Whether a waiter counts on it. */
  readonly #validating = new Map<Member<T>, boolean>();
  readonly #ending = new Set<T>();
  readonly #backOff: BackOff;
  readonly #watchers: Watchers;
  /** Whether the least size is kept up: since something could be opened, until that is known to be in vain. */
  #isWarm = false;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(options: PoolOptions<T>) {
    const { clock, minSize } = options;
    const supply = (): void => {
      this.#supply();
    };
    this.#options = options;
    this.#line = new WaitingLine(clock, options.waitMs);
    this.#idle = new IdleMembers({
      clock,
      idleMs: options.idleMs,
      isSurplus: () => this.#size > minSize,
      retired: (member, reason) => {
        this.#end(member, reason);
        this.#supply();
      },
    });
    this.#leases = new Leases({
      clock,
      heldMs: options.heldMs,
      held: ({ member, borrower }) => options.onHeld?.(member.resource, borrower, options.heldMs),
    });
    this.#openings = new Openings({
      open: options.open,
      closing: this.#closing.signal,
      opened: (resource, isAbandoned) => {
        this.#opened(this.#admit(resource), isAbandoned);
      },
      failed: (error) => {
        this.#openingFailed(error);
      },
      ended: supply,
    });
    this.#backOff = new BackOff(clock, supply);
    this.#watchers = new Watchers(clock);
    setMaxListeners(0, this.#closing.signal);
  }

  counts(): PoolCounts {
    return {
      idle: this.#idle.size,
      inUse: this.#leases.size + this.#cleaning.size,
      opening: this.#openings.size + this.#validating.size,
      waiting: this.#line.size,
    };
  }

  /** Lends a resource to `work` and takes it back when that has settled. Throws what {@link acquire} throws. */
  async use<R>(work: (resource: T) => Promise<R>, signal?: AbortSignal, borrower?: Borrower): Promise<R> {
    const resource = await this.acquire(signal, borrower);
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
  async acquire(signal?: AbortSignal, borrower: Borrower = ANYBODY): Promise<T> {
    if (this.#isClosing) throw closedError();
    signal?.throwIfAborted();
    const ready = this.#line.size === 0 ? this.#takeReady() : undefined;
    if (ready) {
      this.#lend(ready, borrower, 0);
      return ready.resource;
    }
    const turn = this.#line.join({
      borrower,
      signal,
      served: (member, { askedAtMs }) => {
        this.#lend(member, borrower, this.#options.clock.steadyMs() - askedAtMs);
      },
      expired: (waiter) => {
        this.#expired(waiter);
      },
      left: () => {
        this.#abandonSurplus();
      },
    });
    this.#supply();
    return turn;
  }

  /**
   * Takes `resource` back: to the next waiter or among the idle, after cleaning it where it is dirty.
   *
   * @throws ConnectorError INTERNAL when it is not lent, and the pool is open
   */
  release(resource: T): void {
    const lease = this.#leases.end(resource);
    if (!lease) {
      if (this.#isClosing) return;
      throw new ConnectorError('INTERNAL', { problem: 'a session was returned that is not lent' });
    }
    const { member, borrower } = lease;
    this.#options.onReturn?.(resource, borrower, this.counts());
    const fault = this.#options.keepsIdle ? this.#faultOf(member) : NOT_KEPT;
    if (fault !== undefined) this.#end(member, fault);
    else if (resource.isDirty) void this.#clean(member);
    else this.#place(member);
    this.#supply();
  }

  /**
   * Ends the part of one of several tenants: rejects those of its borrowers who wait, and gives the others
   * `graceMs` to return what they hold before it is destroyed.
   */
  async leave(tenant: object, graceMs: number): Promise<void> {
    this.#line.fail(closedError, ({ borrower }) => borrower.tenant === tenant);
    this.#abandonSurplus();
    await this.#watchers.until(() => this.#leases.countOf(tenant) === 0, graceMs);
    this.#leases.destroy(tenant);
  }

  /**
   * Rejects everyone who waits, closes what is idle, and gives borrowers `graceMs` to return what
   * they hold before it is destroyed; so long it waits, too, for what is being opened, cleaned or
   * closed. Idempotent.
   */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    this.#closing.abort(closedError());
    this.#backOff.stop();
    this.#line.fail(closedError);
    for (let member = this.#idle.take(); member; member = this.#idle.take()) this.#end(member, CLOSED);
    await this.#watchers.until(() => this.#size + this.#ending.size === 0, graceMs);
    this.#leases.destroy();
    for (const { resource } of [...this.#cleaning, ...this.#validating.keys()]) resource.destroy();
    for (const resource of this.#ending) resource.destroy();
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  get #size(): number {
    return this.#openSize + this.#openings.size;
  }

  get #openSize(): number {
    return this.#idle.size + this.#leases.size + this.#cleaning.size + this.#validating.size;
  }

  // --- lending --------------------------------------------------------------------------------

  #lend(member: Member<T>, borrower: Borrower, waitedMs: number): void {
    this.#leases.begin({ member, borrower });
    this.#options.onLend?.(member.resource, borrower, this.counts(), waitedMs);
  }

  /** The idle one that was used last, if it needs no other look. */
  #takeReady(): Member<T> | undefined {
    return this.#idle.take((member) => this.#isFresh(member) && this.#faultOf(member) === undefined);
  }

  /** To the first waiter, else among the idle. */
  #place(member: Member<T>): void {
    if (this.#isClosing) this.#end(member, CLOSED);
    else if (this.#line.give(member)) return;
    else if (this.#options.keepsIdle) this.#idle.put(member);
    else this.#end(member, NOT_KEPT);
  }

  #isFresh({ idleSinceMs }: Member<T>): boolean {
    return this.#options.clock.steadyMs() - idleSinceMs < FRESH_MS;
  }

  #faultOf({ resource, endsAtMs, isBroken }: Member<T>): string | undefined {
    if (this.#isClosing) return CLOSED;
    if (isBroken || !(resource.usable || resource.isDirty)) return 'broken';
    return this.#options.clock.steadyMs() >= endsAtMs ? OVER_AGE : undefined;
  }

  /** A moment longer for who waits while nothing is lent: what is opening may fail, which says more. */
  #expired(waiter: Waiter): void {
    const trouble = this.#openings.size > 0 ? this.#options.trouble?.(waiter.borrower) : undefined;
    if (trouble) {
      waiter.fail(trouble);
      this.#abandonSurplus();
      return;
    }
    const mayLearn = !waiter.isOverdue && this.#leases.size === 0 && this.#openings.size > 0;
    if (!mayLearn) waiter.fail(this.#exhausted());
  }

  #exhausted(): ConnectorError {
    const { inUse, opening, waiting } = this.counts();
    const { waitMs, maxSize: max } = this.#options;
    return new ConnectorError('POOL_EXHAUSTED', { waitMs, inUse, opening, waiting, max });
  }

  // --- supply ---------------------------------------------------------------------------------

  /** Starts what the waiters and the least size still lack. Whatever becomes ready goes to whoever is first then. */
  #supply(): void {
    if (!this.#isClosing) {
      this.#takeIdle();
      while (this.#mayOpen()) void this.#openings.start(this.#line.first?.borrower);
    }
    this.#watchers.look();
  }

  #takeIdle(): void {
    while (this.#line.size > this.#expected) {
      const member = this.#idle.take();
      if (!member) return;
      const fault = this.#faultOf(member);
      if (fault !== undefined) this.#end(member, fault);
      else if (this.#isFresh(member)) this.#line.give(member);
      else void this.#validate(member, true);
    }
  }

  /** How many waiters count on a validation. */
  get #expected(): number {
    let count = 0;
    for (const isExpected of this.#validating.values()) if (isExpected) count += 1;
    return count;
  }

  /** How many should be opening. */
  get #demand(): number {
    const { keepsIdle, minSize } = this.#options;
    const forMinimum = keepsIdle && this.#isWarm ? minSize - this.#openSize : 0;
    return Math.max(this.#line.size - this.#expected, forMinimum);
  }

  #mayOpen(): boolean {
    const { maxSize, maxOpening } = this.#options;
    // After a failure who waits is served by what is there; where nothing is, the next caller tries at once.
    const isHeldBack = this.#backOff.isOn && (this.#size > 0 || this.#line.size === 0);
    return !isHeldBack && this.#openings.size < Math.min(this.#demand, maxOpening) && this.#size < maxSize;
  }

  #admit(resource: T): Member<T> {
    const { lifeMs, clock } = this.#options;
    const fullMs = Math.min(lifeMs > 0 ? lifeMs : Infinity, resource.lifeMs ?? Infinity);
    const endsAtMs = resource.openedAtMs + fullMs * (1 - JITTER * clock.random());
    const member: Member<T> = { resource, endsAtMs, isBroken: false, idleSinceMs: 0 };
    resource.whenBroken(() => {
      member.isBroken = true;
      if (!this.#idle.remove(member)) return;
      this.#end(member, 'ended while idle');
      this.#supply();
    });
    return member;
  }

  #opened(member: Member<T>, isAbandoned: boolean): void {
    this.#backOff.succeeded();
    this.#isWarm = true;
    if (isAbandoned) this.#end(member, 'nobody waits for it any more');
    else this.#place(member);
    this.#line.fail(
      () => this.#exhausted(),
      ({ isOverdue }) => isOverdue,
    );
  }

  /**
   * While others are lent out or opening and the trouble may pass (too many connections, say),
   * who waits is served by what comes. Else all would fail the same way: nobody tries again in
   * their name.
   */
  #openingFailed(error: unknown): void {
    const mayPass = isConnectorError(error) && error.retryable;
    const mayBeServed = mayPass && this.#size > 0;
    this.#isWarm &&= mayPass;
    if (!this.#isClosing) this.#backOff.failed();
    this.#line.fail(
      () => error as Error,
      ({ isOverdue }) => isOverdue || !mayBeServed,
    );
  }

  // What opens for callers who have all left keeps the token request and the server busy for nobody.
  #abandonSurplus(): void {
    this.#openings.keep(this.#demand);
  }

  // --- checking -------------------------------------------------------------------------------

  async #validate(member: Member<T>, isExpected: boolean): Promise<void> {
    this.#validating.set(member, isExpected);
    const ask = (signal: AbortSignal): Promise<boolean> => member.resource.validate(signal);
    const { clock, waitMs } = this.#options;
    const limitMs = waitMs > 0 ? Math.min(VALIDATION_LIMIT_MS, waitMs / 2) : VALIDATION_LIMIT_MS;
    const verdict = await verdictOf(clock, limitMs, ask, this.#closing.signal);
    this.#validating.delete(member);
    const fault = verdict === 'yes' ? this.#faultOf(member) : 'did not answer after a rest';
    if (fault === undefined) this.#place(member);
    else this.#end(member, fault, verdict !== 'silence');
    if (verdict !== 'yes') this.#validateOthers();
    this.#supply();
  }

  /** Where one is dead the others may be: they are asked all at once, while who waits gets a new one. */
  #validateOthers(): void {
    for (const member of this.#idle.takeAll((each) => !this.#isFresh(each)))
      void this.#validate(member, false);
  }

  async #clean(member: Member<T>): Promise<void> {
    const { resource } = member;
    this.#cleaning.add(member);
    const verdict = await verdictOf(this.#options.clock, CLEANING_LIMIT_MS, () => resource.clean());
    this.#cleaning.delete(member);
    const isClean = verdict === 'yes' && !resource.isDirty;
    const fault = isClean ? this.#faultOf(member) : 'could not be cleaned';
    if (fault === undefined) this.#place(member);
    else this.#end(member, fault, verdict !== 'silence');
    this.#supply();
  }

  /** Closes it in good order, or at once when it does not hear us. */
  #end({ resource }: Member<T>, reason: string, hearsUs = true): void {
    this.#options.onClose?.(resource, reason);
    if (!hearsUs) {
      resource.destroy();
      return;
    }
    const ended = (): void => {
      this.#ending.delete(resource);
      this.#watchers.look();
    };
    this.#ending.add(resource);
    resource.close().then(ended, ended);
  }
}

function closedError(): ConnectorError {
  return new ConnectorError('CONNECTOR_CLOSED', {});
}
