import type { Clock } from '../clock.js';
import { isConnectorError } from '../errors.js';

const LIFE_MS = 24 * 3_600_000;

/** What was discovered, and when on the wall clock. */
export interface Remembered<T> {
  readonly found: T;
  readonly atWallMs: number;
}

/** Remembers what was discovered: for a day, and through an outage for longer. */
export class DiscoveryMemory<T> {
  readonly #clock: Clock;
  #kept: (Remembered<T> & { readonly untilMs: number }) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get known(): Remembered<T> | undefined {
    return this.#kept;
  }

  /** What is known, else what `ask` finds; after a failure that may pass, what was known before. */
  async recall(ask: () => Promise<T>): Promise<T> {
    if (this.#kept && this.#clock.steadyMs() < this.#kept.untilMs) return this.#kept.found;
    try {
      const found = await ask();
      this.keep(found, this.#clock.wallMs());
      return found;
    } catch (error) {
      if (this.#kept && isConnectorError(error) && error.retryable) return this.#kept.found;
      throw error;
    }
  }

  /** Takes over what was found at `atWallMs`, perhaps by another process. */
  keep(found: T, atWallMs: number): void {
    const ageMs = this.#clock.wallMs() - atWallMs;
    // What comes from the future is of unknown age: good for an outage, no more.
    const leftMs = ageMs >= 0 ? LIFE_MS - ageMs : 0;
    this.#kept = { found, atWallMs, untilMs: this.#clock.steadyMs() + leftMs };
  }
}
