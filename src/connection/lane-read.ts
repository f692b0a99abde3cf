import { setMaxListeners } from 'node:events';
import { asConnectorError } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import type { PipelinedRead } from './pipeline.js';
import type { RowBatch } from './rows.js';

/** A slow text that was quick so often in a row is taken for quick again. */
const QUICK_AGAIN = 3;

/** How long the answers to a text take, as far as was seen. */
export class Pace {
  kind: 'unknown' | 'quick' | 'slow' = 'unknown';
  /** While it is unknown: its first read is on its way, and those that wait for what that shows. */
  isProbed = false;
  readonly waiting: LaneRead[] = [];
  #quickInARow = 0;
  #meanMs = 0;

  /** How long an answer takes, more or less; the latest count most. */
  get meanMs(): number {
    return this.#meanMs;
  }

  /** Takes note of how long the server worked on an answer. */
  took(ms: number): void {
    this.#meanMs = this.#meanMs === 0 ? ms : (this.#meanMs + ms) / 2;
  }

  /** Takes note of an answer; `isQuick` when it came soon. */
  saw(isQuick: boolean): void {
    this.#quickInARow = isQuick ? this.#quickInARow + 1 : 0;
    if (!isQuick) this.kind = 'slow';
    else if (this.kind === 'unknown' || this.#quickInARow >= QUICK_AGAIN) this.kind = 'quick';
  }
}

/** Where a {@link LaneRead} goes on. */
export interface ReadOwner {
  answered(read: LaneRead): void;
  failed(read: LaneRead, error: unknown): void;
  left(read: LaneRead): void;
}

/** A read from its call to its end, in whatever sessions it is sent. */
export class LaneRead implements PipelinedRead {
  readonly statement: Statement;
  readonly limit: number | undefined;
  readonly pace: Pace;
  readonly askedAtMs: number;
  /** Its session was lost under it once. */
  wasLost = false;
  /** False where it may call a function that writes: it is sent once, and by itself. */
  mayRepeat = true;
  /** What it adds to the work of its session, as far as is known, in milliseconds. */
  expectedMs = 0;
  readonly promise: Promise<RowBatch>;
  readonly signal: AbortSignal | undefined;
  readonly #owner: ReadOwner;
  readonly #leave: () => void;
  #resolve!: (batch: RowBatch) => void;
  #reject!: (error: unknown) => void;
  #isSettled = false;

  constructor(
    what: { statement: Statement; limit: number | undefined; pace: Pace; askedAtMs: number },
    owner: ReadOwner,
    signal: AbortSignal | undefined,
  ) {
    this.statement = what.statement;
    this.limit = what.limit;
    this.pace = what.pace;
    this.askedAtMs = what.askedAtMs;
    this.#owner = owner;
    this.signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#leave = () => {
      this.reject(asConnectorError(signal?.reason, signal));
      owner.left(this);
    };
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener('abort', this.#leave, { once: true });
  }

  /** Nobody waits for it any more. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  done(batch: RowBatch, tookMs: number): void {
    this.pace.took(tookMs);
    if (this.#settle()) this.#resolve(batch);
    this.#owner.answered(this);
  }

  failed(error: unknown): void {
    this.#owner.failed(this, error);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.signal?.removeEventListener('abort', this.#leave);
    return true;
  }
}
