import type { Clock } from '#src/clock.js';

/** A clock that stands still until a test moves it. Its wall time starts at midnight of 21 November 2026. */
export class FakeClock implements Clock {
  #steady = 0;
  #wallOffset: number;
  #timers = new Map<number, { at: number; task: () => void }>();
  #nextTimer = 1;
  chance = 0.5;

  constructor(startWallMs = Date.UTC(2026, 10, 21)) {
    this.#wallOffset = startWallMs;
  }

  wallMs(): number {
    return this.#wallOffset + this.#steady;
  }

  steadyMs(): number {
    return this.#steady;
  }

  after(delayMs: number, task: () => void): () => void {
    const id = this.#nextTimer++;
    this.#timers.set(id, { at: this.#steady + delayMs, task });
    return () => this.#timers.delete(id);
  }

  random(): number {
    return this.chance;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves both times on and runs the timers that fall due, in their order. */
  advance(ms: number): void {
    const end = this.#steady + ms;
    for (;;) {
      const [due] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!due) break;
      const [id, { at, task }] = due;
      this.#timers.delete(id);
      this.#steady = Math.max(this.#steady, at);
      task();
    }
    this.#steady = end;
  }

  /** Sets the wall clock on (or back) without the steady one, as an administrator does. */
  shiftWall(ms: number): void {
    this.#wallOffset += ms;
  }
}

/** Lets everything that is ready to run, run: promises and what they lead to. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A fake clock whose background tasks never run: only what somebody waits for happens. */
export class IdleClock extends FakeClock {
  override after(delayMs: number, task: () => void, options: { background?: boolean } = {}): () => void {
    return options.background === true ? () => undefined : super.after(delayMs, task);
  }
}

/** A clock on which every wait is over at once; it moves by the time that would have passed, from the real date on. */
export class HastyClock extends FakeClock {
  readonly waits: number[] = [];

  constructor() {
    super(Date.now());
  }

  override after(
    delayMs: number,
    task: () => void,
    { background = false }: { readonly background?: boolean } = {},
  ): () => void {
    let cancelled = false;
    // Long limits are deadlines, and nobody waits for what runs in the background: they are never
    // reached because time does not pass by itself.
    if (delayMs < 50_000 && !background) {
      setImmediate(() => {
        if (cancelled) return;
        this.waits.push(delayMs);
        this.advance(delayMs);
        task();
      });
    }
    return () => {
      cancelled = true;
    };
  }
}
