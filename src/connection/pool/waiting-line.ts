import { setMaxListeners } from 'node:events';
import type { Clock } from '../../clock.js';
import type { Borrower, Member, Poolable } from './poolable.js';

/** Somebody who asked and was not served yet. */
export interface Waiter {
  readonly borrower: Borrower;
  readonly askedAtMs: number;
  /** Its time is over, and it learns within a moment what became of the one that is opening. */
  isOverdue: boolean;
  /** Takes it from the line. */
  fail(error: Error): void;
}

/** What a waiter gets, and whoever is told that it leaves. */
export interface Waiting<T extends Poolable> {
  readonly borrower: Borrower;
  readonly signal: AbortSignal | undefined;
  /** Runs at once when the waiter is served; its promise resolves a moment later. */
  readonly served: (member: Member<T>, waiter: Waiter) => void;
  /** Its time is over: who is not failed then stays a moment longer. */
  readonly expired: (waiter: Waiter) => void;
  /** Its signal ended the wait. */
  readonly left: () => void;
}

/** Why the first session cannot be opened says more than that there is none: the answer is often just due. */
const OVERDUE_MS = 250;

interface Place<T extends Poolable> extends Waiter {
  give(member: Member<T>): void;
}

/** Those who wait, first come first served, each until its limit or its signal ends the wait. */
export class WaitingLine<T extends Poolable> {
  readonly #clock: Clock;
  /** Milliseconds; 0 = no limit. */
  readonly #limitMs: number;
  readonly #places = new Set<Place<T>>();

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  get size(): number {
    return this.#places.size;
  }

  get first(): Waiter | undefined {
    return this.#first();
  }

  /** Serves the first one; false when nobody waits. */
  give(member: Member<T>): boolean {
    const place = this.#first();
    place?.give(member);
    return place !== undefined;
  }

  /** Ends the wait of those whom `whose` names, all unless told. */
  fail(error: () => Error, whose: (waiter: Waiter) => boolean = () => true): void {
    for (const place of [...this.#places]) if (whose(place)) place.fail(error());
  }

  /** At the end of the line. Rejects with what `expired` fails it with, the reason of `signal`, or as {@link fail} is told. */
  join({ borrower, signal, served, expired, left }: Waiting<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const clock = this.#clock;
      const { askedAtMs = clock.steadyMs() } = borrower;
      let stopTimer = (): void => undefined;
      const settle = (): void => {
        this.#places.delete(place);
        stopTimer();
        signal?.removeEventListener('abort', leave);
      };
      const place: Place<T> = {
        borrower,
        askedAtMs,
        isOverdue: false,
        give(member) {
          settle();
          served(member, place);
          resolve(member.resource);
        },
        fail(error) {
          settle();
          reject(error);
        },
      };
      const leave = (): void => {
        place.fail(signal?.reason as Error);
        left();
      };
      const expire = (): void => {
        expired(place);
        place.isOverdue = true;
        if (this.#places.has(place)) stopTimer = clock.after(OVERDUE_MS, expire);
      };
      const leftMs = askedAtMs + this.#limitMs - clock.steadyMs();
      if (this.#limitMs > 0) stopTimer = clock.after(Math.max(0, leftMs), expire);
      // One signal may end any number of waits at once; that is no leak.
      if (signal) setMaxListeners(0, signal);
      signal?.addEventListener('abort', leave, { once: true });
      this.#places.add(place);
    });
  }

  #first(): Place<T> | undefined {
    const [place] = this.#places;
    return place;
  }
}
