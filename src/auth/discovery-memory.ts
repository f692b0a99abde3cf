import { delay, type Budget, type Clock } from '../clock.js';
import { isConnectorError } from '../errors.js';

const LIFE_MS = 24 * 3_600_000;
const LONGEST_PATIENCE_MS = 5_000;
/** After an outage was met, nobody asks again for so long. */
const OUTAGE_PAUSE_MS = 300_000;

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

  /**
   * What is known, else what `ask` finds. What was known before serves through an outage, so that an
   * authority that does not answer takes no more than a part of `budget`.
   */
  async recall(ask: () => Promise<T>, { totalMs }: Budget): Promise<T> {
    const kept = this.#kept;
    if (!kept) return this.#ask(ask);
    if (this.#clock.steadyMs() < kept.untilMs) return kept.found;
    const patience = new AbortController();
    const patienceMs = Math.min(LONGEST_PATIENCE_MS, totalMs === 0 ? LONGEST_PATIENCE_MS : totalMs / 4);
    const tired = delay(this.#clock, patienceMs, patience.signal).then(() => undefined);
    try {
      const found = await Promise.race([this.#ask(ask), tired]);
      if (found !== undefined) return found;
    } catch (error) {
      if (!isConnectorError(error) || !error.retryable) throw error;
    } finally {
      patience.abort();
    }
    this.#kept = { ...kept, untilMs: this.#clock.steadyMs() + OUTAGE_PAUSE_MS };
    return kept.found;
  }

  async #ask(ask: () => Promise<T>): Promise<T> {
    const found = await ask();
    this.keep(found, this.#clock.wallMs());
    return found;
  }

  /** Takes over what was found at `atWallMs`, perhaps by another process. */
  keep(found: T, atWallMs: number): void {
    const ageMs = this.#clock.wallMs() - atWallMs;
    // What comes from the future is of unknown age: good for an outage, no more.
    const leftMs = ageMs >= 0 ? LIFE_MS - ageMs : 0;
    this.#kept = { found, atWallMs, untilMs: this.#clock.steadyMs() + leftMs };
  }
}
