import { setMaxListeners } from 'node:events';

/** Time and chance, injected so that tests neither sleep nor depend on luck. */
export interface Clock {
  /** Milliseconds since the epoch, as the machine believes: for dates that others set or read. */
  wallMs(): number;
  /** Milliseconds that never run backwards: for durations. */
  steadyMs(): number;
  /**
   * Runs `task` once after `delayMs` (0 to 2^31 - 1); returns its cancellation. The process stays
   * alive for it, since somebody waits, unless it is a `background` task.
   */
  after(delayMs: number, task: () => void, options?: { readonly background?: boolean }): () => void;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  random(): number;
}

/** Longest delay of a Node.js timer, in milliseconds; anything longer would fire after 1 ms. */
export const LONGEST_DELAY_MS = 2_147_483_647;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  after(delayMs, task, { background = false } = {}) {
    const timer = setTimeout(task, Math.min(Math.max(0, Math.ceil(delayMs)), LONGEST_DELAY_MS));
    if (background) timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
  random: () => Math.random(),
};

/** A limit of time that several waits in a row share. */
export interface Budget {
  /** The whole of it in milliseconds, for words; 0 = no limit. */
  readonly totalMs: number;
  /** What is left in milliseconds, at least 1; 0 = no limit. */
  remainingMs(): number;
}

/** A budget of `totalMs` (0 = no limit) that begins to run now. */
export function startBudget(clock: Clock, totalMs: number): Budget {
  const endsAtMs = clock.steadyMs() + totalMs;
  return {
    totalMs,
    remainingMs: () => (totalMs === 0 ? 0 : Math.max(1, Math.round(endsAtMs - clock.steadyMs()))),
  };
}

/** Resolves when the event loop has heard what has already arrived from outside. No time needs to pass. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/**
 * A signal that aborts after `timeoutMs` (0 = never) with `onTimeout()` as its reason, or with
 * `outer`. Call `dispose` when the wait is over.
 */
export function deadline(
  clock: Clock,
  timeoutMs: number,
  onTimeout: () => Error,
  outer?: AbortSignal,
): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const follow = (): void => {
    controller.abort(outer?.reason);
  };
  if (outer?.aborted) follow();
  // One signal may end any number of waits at once; that is no leak.
  if (outer) setMaxListeners(0, outer);
  outer?.addEventListener('abort', follow, { once: true });
  const cancel =
    timeoutMs > 0 ? clock.after(timeoutMs, () => controller.abort(onTimeout())) : (): void => undefined;
  return {
    signal: controller.signal,
    dispose() {
      cancel();
      outer?.removeEventListener('abort', follow);
    },
  };
}

/** Rejects with the reason of `signal` when it aborts; never resolves. For races. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const leave = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
