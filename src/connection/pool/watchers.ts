import type { Clock } from '../../clock.js';

/** Waits for conditions that somebody tells to look at again. */
export class Watchers {
  readonly #clock: Clock;
  readonly #looks = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something changed. */
  look(): void {
    for (const look of [...this.#looks]) look();
  }

  /** Resolves when `holds`, at the latest after `limitMs`. */
  async until(holds: () => boolean, limitMs: number): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        stopTimer();
        this.#looks.delete(look);
        resolve();
      };
      const look = (): void => {
        if (holds()) finish();
      };
      const stopTimer = this.#clock.after(limitMs, finish);
      this.#looks.add(look);
    });
  }
}
