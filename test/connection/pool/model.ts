/**
 * What a pool has to do, as plain state without promises and timers of its own: the reference that
 * the real one is compared with. Times in milliseconds.
 */
export const LIMITS = {
  minSize: 2,
  maxSize: 5,
  maxOpening: 3,
  waitMs: 1_700,
  idleMs: 5_300,
  lifeMs: 19_000,
  freshMs: 500,
  /** Half of the wait. */
  validationMs: 850,
  cleaningMs: 10_000,
  overdueMs: 250,
} as const;

interface Thing {
  readonly id: number;
  readonly endsAt: number;
  isBroken: boolean;
}
interface Idle {
  readonly thing: Thing;
  readonly since: number;
  /** When its timer was set. */
  watchedAt: number;
  /** Its idle time is over, but the least size needs it. */
  isKept: boolean;
}
interface Checked {
  readonly thing: Thing;
  readonly since: number;
  readonly isCountedOn: boolean;
}
interface Waiter {
  readonly caller: number;
  readonly since: number;
  isOverdue: boolean;
}
interface Due {
  readonly at: number;
  readonly act: () => void;
}

export class PoolModel {
  now: number;
  /** Of the present step: jitter is drawn from it. */
  chance = 0;
  /** What happened since it was last emptied: loans, failures and ends, a line each. */
  readonly events: string[] = [];
  readonly lent = new Map<number, { readonly thing: Thing; readonly caller: number }>();
  line: Waiter[] = [];
  idle: Idle[] = [];
  validating: Checked[] = [];
  cleaning: Checked[] = [];
  /** Numbers of the openings that were not given up, in order. */
  opening: number[] = [];
  opened = 0;
  #failures = 0;
  #pausedUntil = 0;
  #isWarm = false;

  constructor(now: number) {
    this.now = now;
  }

  // --- what happens to it -----------------------------------------------------------------------

  asks(caller: number): void {
    this.line.push({ caller, since: this.now, isOverdue: false });
    this.#react();
  }

  leaves(caller: number): void {
    this.line = this.line.filter((waiter) => waiter.caller !== caller);
    this.events.push(`caller ${caller} CANCELLED`);
    this.opening.splice(Math.max(0, this.#demand()));
    this.#react();
  }

  returns(id: number, isDirty: boolean): void {
    const { thing } = this.lent.get(id)!;
    this.lent.delete(id);
    const fault = this.#faultOf(thing);
    if (fault !== undefined) this.#end(thing, fault);
    else if (isDirty) this.cleaning.push({ thing, since: this.now, isCountedOn: false });
    else this.#place(thing);
    this.#react();
  }

  breaks(id: number): void {
    const at = this.idle.findIndex(({ thing }) => thing.id === id);
    if (at >= 0) {
      this.#end(this.idle[at]!.thing, 'ended while idle');
      this.idle.splice(at, 1);
    }
    for (const { thing } of [...this.lent.values(), ...this.validating, ...this.cleaning])
      if (thing.id === id) thing.isBroken = true;
    this.#react();
  }

  opens(opening: number, id: number, ownLifeMs: number | undefined): void {
    const lifeMs = Math.min(LIMITS.lifeMs, ownLifeMs ?? Infinity);
    const thing = { id, endsAt: this.now + lifeMs * (1 - 0.1 * this.chance), isBroken: false };
    this.#failures = 0;
    this.#isWarm = true;
    if (this.opening.includes(opening)) {
      this.opening = this.opening.filter((each) => each !== opening);
      this.#place(thing);
    } else this.#end(thing, 'nobody waits for it any more');
    this.#failWaiters('POOL_EXHAUSTED', ({ isOverdue }) => isOverdue);
    this.#react();
  }

  cannotOpen(opening: number, code: string, mayPass: boolean): void {
    if (this.opening.includes(opening)) {
      this.opening = this.opening.filter((each) => each !== opening);
      const pause = Math.min(30_000, 250 * 2 ** this.#failures) * (1 - this.chance / 2);
      this.#failures = Math.min(this.#failures + 1, 10);
      this.#pausedUntil = this.now + pause;
      if (!mayPass) this.#isWarm = false;
      const isServed = mayPass && this.size > 0;
      this.#failWaiters(code, ({ isOverdue }) => isOverdue || !isServed);
    }
    this.#react();
  }

  validated(id: number, isAlive: boolean): void {
    const { thing } = this.validating.find((each) => each.thing.id === id)!;
    this.validating = this.validating.filter((each) => each.thing !== thing);
    const fault = isAlive ? this.#faultOf(thing) : 'did not answer after a rest';
    if (fault === undefined) this.#place(thing);
    else this.#end(thing, fault);
    if (!isAlive) {
      const rested = this.idle.filter(({ since }) => this.now - since >= LIMITS.freshMs);
      this.idle = this.idle.filter((each) => !rested.includes(each));
      for (const each of rested)
        this.validating.push({ thing: each.thing, since: this.now, isCountedOn: false });
    }
    this.#react();
  }

  cleaned(id: number, isClean: boolean): void {
    const { thing } = this.cleaning.find((each) => each.thing.id === id)!;
    this.cleaning = this.cleaning.filter((each) => each.thing !== thing);
    const fault = isClean ? this.#faultOf(thing) : 'could not be cleaned';
    if (fault === undefined) this.#place(thing);
    else this.#end(thing, fault);
    this.#react();
  }

  /** Time passes; what falls due happens in its order. */
  passes(until: number): void {
    for (let due = this.#nextDue(until); due; due = this.#nextDue(until)) {
      this.now = Math.max(this.now, due.at);
      due.act();
      this.#react();
    }
    this.now = until;
  }

  get size(): number {
    return (
      this.idle.length + this.lent.size + this.validating.length + this.cleaning.length + this.opening.length
    );
  }

  // --- what it does -----------------------------------------------------------------------------

  #react(): void {
    for (let last = this.idle.at(-1); last && this.line.length > 0; last = this.idle.at(-1)) {
      const { thing, since } = last;
      const fault = this.#faultOf(thing);
      const isFresh = fault === undefined && this.now - since < LIMITS.freshMs;
      if (!isFresh && this.line.length <= this.#countedOn()) break;
      this.idle.pop();
      if (fault !== undefined) this.#end(thing, fault);
      else if (isFresh) this.#place(thing);
      else this.validating.push({ thing, since: this.now, isCountedOn: true });
    }
    const isHeldBack = (): boolean =>
      this.now < this.#pausedUntil && (this.size > 0 || this.line.length === 0);
    while (
      !isHeldBack() &&
      this.size < LIMITS.maxSize &&
      this.opening.length < Math.min(this.#demand(), LIMITS.maxOpening)
    )
      this.opening.push((this.opened += 1));
  }

  #nextDue(until: number): Due | undefined {
    const all: Due[] = [
      ...this.line.map((waiter) => ({
        at: waiter.since + LIMITS.waitMs + (waiter.isOverdue ? LIMITS.overdueMs : 0),
        act: () => {
          this.#expire(waiter);
        },
      })),
      ...this.validating.map(({ thing, since }) => ({
        at: since + LIMITS.validationMs,
        act: () => {
          this.validated(thing.id, false);
        },
      })),
      ...this.cleaning.map(({ thing, since }) => ({
        at: since + LIMITS.cleaningMs,
        act: () => {
          this.cleaned(thing.id, false);
        },
      })),
      ...this.idle.map((idle) => ({
        at: idle.watchedAt + Math.ceil(endOf(idle) - idle.watchedAt),
        act: () => {
          this.#retire(idle);
        },
      })),
      ...(this.#pausedUntil > this.now
        ? [{ at: this.#pausedUntil, act: () => (this.now = this.#pausedUntil) }]
        : []),
    ];
    return all.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
  }

  #expire(waiter: Waiter): void {
    if (!waiter.isOverdue && this.lent.size === 0 && this.opening.length > 0) waiter.isOverdue = true;
    else this.#failWaiters('POOL_EXHAUSTED', (each) => each === waiter);
  }

  #retire(idle: Idle): void {
    const isOld = this.now >= idle.thing.endsAt;
    if (!isOld && this.size <= LIMITS.minSize) {
      idle.isKept = true;
      idle.watchedAt = this.now;
      return;
    }
    this.idle = this.idle.filter((each) => each !== idle);
    this.#end(idle.thing, isOld ? 'older than ConnectionLifeTime' : 'idle for too long');
  }

  #place(thing: Thing): void {
    const waiter = this.line.shift();
    if (waiter) {
      this.lent.set(thing.id, { thing, caller: waiter.caller });
      this.events.push(`caller ${waiter.caller} gets ${thing.id}`);
    } else this.idle.push({ thing, since: this.now, watchedAt: this.now, isKept: false });
  }

  #faultOf({ isBroken, endsAt }: Thing): string | undefined {
    if (isBroken) return 'broken';
    return this.now >= endsAt ? 'older than ConnectionLifeTime' : undefined;
  }

  #failWaiters(code: string, isTheirs: (waiter: Waiter) => boolean): void {
    for (const waiter of this.line.filter(isTheirs)) this.events.push(`caller ${waiter.caller} ${code}`);
    this.line = this.line.filter((waiter) => !isTheirs(waiter));
  }

  #end(thing: Thing, reason: string): void {
    this.events.push(`end of ${thing.id}: ${reason}`);
  }

  #countedOn(): number {
    return this.validating.filter(({ isCountedOn }) => isCountedOn).length;
  }

  #demand(): number {
    const open = this.size - this.opening.length;
    return Math.max(this.line.length - this.#countedOn(), this.#isWarm ? LIMITS.minSize - open : 0);
  }
}

function endOf({ thing, since, isKept }: Idle): number {
  return Math.min(thing.endsAt, isKept ? Infinity : since + LIMITS.idleMs);
}
