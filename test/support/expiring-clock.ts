import { systemClock, type Clock } from '#src/clock.js';

/** Longer than any limit of a wait. */
const LONG_MS = 70_000;

/** The system's clock, on which a test may say that every wait which is under way has lasted long enough. */
export class ExpiringClock implements Clock {
  #skippedMs = 0;
  readonly #waits = new Set<() => void>();

  after(delayMs: number, task: () => void, options: { readonly background?: boolean } = {}): () => void {
    const run = (): void => {
      cancel();
      task();
    };
    const stop = systemClock.after(delayMs, run, options);
    const cancel = (): void => {
      stop();
      this.#waits.delete(run);
    };
    if (options.background !== true) this.#waits.add(run);
    return cancel;
  }

  wallMs(): number {
    return systemClock.wallMs();
  }

  steadyMs(): number {
    return systemClock.steadyMs() + this.#skippedMs;
  }

  random(): number {
    return systemClock.random();
  }

  /** Ends all waits; those that begin later take their time again. */
  expire(): void {
    this.#skippedMs += LONG_MS;
    for (const run of [...this.#waits]) run();
  }
}
