// eslint-disable-next-line no-restricted-imports -- gives way to other work; it waits for no time that a clock could tell
import { setImmediate as nextTurn } from 'node:timers/promises';
import { unreadable } from './store-errors.js';

/** The most iterations that one store may ask for, over all its parts: some seconds of one core. */
export const MAX_ITERATIONS = 10_000_000;

// Some 2 ms of work.
const ITERATIONS_PER_TURN = 2_000;

/**
 * What reading one store may still cost. Everything that derives keys takes its iterations from
 * here, so that many small demands are bounded like one large one, and an aborted caller ends them.
 */
export class WorkBudget {
  readonly #signal: AbortSignal | undefined;
  #left = MAX_ITERATIONS;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Iterations taken so far. */
  get spent(): number {
    return MAX_ITERATIONS - this.#left;
  }

  /**
   * Takes `iterations`, which may be about to run.
   *
   * @throws ConnectorError CERTIFICATE_UNREADABLE where fewer are left; the reason of the signal
   */
  spend(iterations: number): void {
    this.#signal?.throwIfAborted();
    if (iterations > this.#left) {
      throw unreadable(`its key derivations ask for more than ${MAX_ITERATIONS} iterations in all`);
    }
    this.#left -= iterations;
  }

  /**
   * `step` applied `count` times, first to `start`, then each time to what it gave. It runs on the
   * event loop and lets other work happen every few milliseconds.
   *
   * @throws what {@link spend} throws
   */
  async iterate(count: number, start: Buffer, step: (value: Buffer) => Buffer): Promise<Buffer> {
    this.spend(count);
    let value = start;
    for (let done = 1; done <= count; done++) {
      value = step(value);
      if (done % ITERATIONS_PER_TURN === 0) await this.giveWay();
    }
    return value;
  }

  /** What `convert` gives for each of `items`, one at a turn. @throws the reason of the signal */
  async map<T, U>(items: readonly T[], convert: (item: T) => U | Promise<U>): Promise<U[]> {
    const converted: U[] = [];
    for (const item of items) {
      converted.push(await convert(item));
      await this.giveWay();
    }
    return converted;
  }

  /** Lets other work happen. @throws the reason of the signal */
  async giveWay(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
  }
}
