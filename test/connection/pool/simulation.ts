import type { Clock } from '#src/clock.js';
import { Pool, type Poolable } from '#src/connection/pool.js';
import { ConnectorError, isConnectorError } from '#src/errors.js';
import { LIMITS } from './model.js';

/** A clock whose timers are run one by one, so that everything they set in motion ends before the next. */
export class SteppedClock implements Clock {
  now = 0;
  chance = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly task: () => void }>();
  #nextTimer = 0;

  wallMs = (): number => this.now;
  steadyMs = (): number => this.now;
  random = (): number => this.chance;

  after(delayMs: number, task: () => void): () => void {
    const id = (this.#nextTimer += 1);
    this.#timers.set(id, { at: this.now + delayMs, task });
    return () => this.#timers.delete(id);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  async passTo(until: number): Promise<void> {
    for (let due = this.#firstUntil(until); due !== undefined; due = this.#firstUntil(until)) {
      const { at, task } = this.#timers.get(due)!;
      this.#timers.delete(due);
      this.now = Math.max(this.now, at);
      task();
      await settled();
    }
    this.now = until;
  }

  #firstUntil(until: number): number | undefined {
    let first: number | undefined;
    let firstAt = until;
    for (const [id, { at }] of this.#timers) {
      if (at > firstAt || (at === firstAt && first !== undefined)) continue;
      first = id;
      firstAt = at;
    }
    return first;
  }
}

/** Lets promises settle; the longest chain in the pool takes fewer turns. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 16; turn += 1) await Promise.resolve();
}

/** Something that answers when it is told to. */
export class Thing implements Poolable {
  usable = true;
  isDirty = false;
  end: 'closed' | 'destroyed' | undefined;
  answer: ((isAlive: boolean | Error) => void) | undefined;
  #listener = (): void => undefined;
  readonly id: number;
  readonly openedAtMs: number;
  readonly lifeMs: number | undefined;

  constructor(id: number, openedAtMs: number, lifeMs: number | undefined) {
    this.id = id;
    this.openedAtMs = openedAtMs;
    this.lifeMs = lifeMs;
  }

  whenBroken(listener: () => void): void {
    this.#listener = listener;
  }

  break(): void {
    this.usable = false;
    this.#listener();
  }

  validate(): Promise<boolean> {
    return this.#asked();
  }

  clean(): Promise<boolean> {
    return this.#asked();
  }

  async close(): Promise<void> {
    this.#ends('closed');
  }

  destroy(): void {
    this.#ends('destroyed');
  }

  #ends(how: 'closed' | 'destroyed'): void {
    this.end ??= how;
    this.usable = false;
  }

  #asked(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.answer = (answer) => {
        this.answer = undefined;
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      };
    });
  }
}

/** An opening that ends when it is told to, or where it heeds its signal. */
export interface Opening {
  readonly number: number;
  readonly signal: AbortSignal;
  succeed(thing: Thing): void;
  fail(error: Error): void;
}

/** The real pool among things that do as they are told; what comes of it is noted in `events`. */
export class Simulation {
  readonly clock: SteppedClock;
  readonly events: string[] = [];
  readonly openings = new Map<number, Opening>();
  readonly things = new Map<number, Thing>();
  /** What is lent, by id, and to whom. */
  readonly lent = new Map<number, number>();
  /** In the order in which they asked. */
  readonly waiting = new Map<number, { readonly leaving: AbortController; readonly since: number }>();
  readonly pool: Pool<Thing>;
  heedsAborts = true;
  #opened = 0;

  constructor(clock: SteppedClock) {
    this.clock = clock;
    this.pool = new Pool<Thing>({
      ...LIMITS,
      keepsIdle: true,
      heldMs: 0,
      clock,
      open: (signal) => this.#open(signal),
      onClose: ({ id }, reason) => this.events.push(`end of ${id}: ${reason}`),
      onLend: (thing) => {
        if (!thing.usable) throw new Error(`${thing.id} was lent dead`);
        if (this.lent.has(thing.id)) throw new Error(`${thing.id} was lent twice`);
        this.lent.set(thing.id, 0);
      },
    });
  }

  ask(caller: number): void {
    const leaving = new AbortController();
    this.waiting.set(caller, { leaving, since: this.clock.now });
    const failed = (error: unknown): void => {
      const { since } = this.waiting.get(caller)!;
      if (this.clock.now - since > LIMITS.waitMs + LIMITS.overdueMs)
        throw new Error('it waited past its limit');
      this.waiting.delete(caller);
      this.events.push(`caller ${caller} ${isConnectorError(error) ? error.code : String(error)}`);
    };
    this.pool.acquire(leaving.signal).then((thing) => {
      const [first] = this.waiting.keys();
      if (first !== caller) throw new Error(`caller ${caller} was served before ${first}`);
      this.waiting.delete(caller);
      this.lent.set(thing.id, caller);
      this.events.push(`caller ${caller} gets ${thing.id}`);
    }, failed);
  }

  leave(caller: number): void {
    this.waiting.get(caller)!.leaving.abort(new ConnectorError('CANCELLED', {}));
  }

  give(thing: Thing): void {
    this.lent.delete(thing.id);
    this.pool.release(thing);
  }

  #open(signal: AbortSignal): Promise<Thing> {
    const number = (this.#opened += 1);
    return new Promise((resolve, reject) => {
      const ended = (act: () => void) => {
        this.openings.delete(number);
        act();
      };
      this.openings.set(number, {
        number,
        signal,
        succeed: (thing) => {
          this.things.set(thing.id, thing);
          ended(() => resolve(thing));
        },
        fail: (error) => ended(() => reject(error)),
      });
      if (this.heedsAborts)
        signal.addEventListener('abort', () => ended(() => reject(signal.reason as Error)), { once: true });
    });
  }
}
