import { setMaxListeners } from 'node:events';

/** Time and chance, injected so that tests neither sleep nor depend on luck. */
export interface Clock {
  /** Milliseconds since the epoch, as the machine believes: for dates that others set or read. */
  wallMs(): number;
  /** Milliseconds that never run backwards: for durations. */
  steadyMs(): number;
  /** Runs `task` once after `delayMs` (0 to 2^31 - 1), without keeping the process alive; returns its cancellation. */
  after(delayMs: number, task: () => void): () => void;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  random(): number;
}

/** Longest delay of a Node.js timer, in milliseconds; anything longer would fire after 1 ms. */
export const LONGEST_DELAY_MS = 2_147_483_647;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(Math.max(0, delayMs), LONGEST_DELAY_MS));
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
  random: () => Math.random(),
};

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
