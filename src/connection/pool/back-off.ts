import type { Clock } from '../../clock.js';

/** The first pause after a failure, doubled by each further one, in milliseconds. */
const SHORTEST_MS = 250;
const LONGEST_MS = 30_000;

/** A pause after each failure, up to half shorter by chance so that many processes do not return at once. */
export class BackOff {
  readonly #clock: Clock;
  readonly #ended: () => void;
  #failures = 0;
  #stopTimer: (() => void) | undefined;

  /** Runs `ended` when a pause is over by itself. */
  constructor(clock: Clock, ended: () => void) {
    this.#clock = clock;
    this.#ended = ended;
  }

  get isOn(): boolean {
    return this.#stopTimer !== undefined;
  }

  failed(): void {
    this.#stopTimer?.();
    const fullMs = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const end = (): void => {
      this.#stopTimer = undefined;
      this.#ended();
    };
    const pauseMs = fullMs * (1 - this.#clock.random() / 2);
    this.#stopTimer = this.#clock.after(pauseMs, end, { background: true });
  }

  /** The next failure counts as the first. A pause goes on: what succeeds may have begun before it. */
  succeeded(): void {
    this.#failures = 0;
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }
}
