import { delay, type Clock } from '../clock.js';
import { isConnectorError, type ConnectorError } from '../errors.js';

export interface RetryOptions {
  readonly clock: Clock;
  /** Whole time all attempts and waits may take, in milliseconds; 0 = no limit. */
  readonly budgetMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told before each wait. */
  readonly onRetry?: (error: ConnectorError, delayMs: number) => void;
}

const MOST_ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 5_000;

/**
 * Result of the first `attempt` that succeeds. A retryable ConnectorError is tried again, at most
 * five times in all, after the time its peer asked for (`retryAfterMs`) or after exponential
 * back-off with full jitter; never beyond the budget: a wait that would pass it is not begun, and
 * the error of the last attempt is thrown.
 */
export async function withRetries<T>(
  options: RetryOptions,
  attempt: (remainingMs: number) => Promise<T>,
): Promise<T> {
  const { clock, budgetMs, signal } = options;
  const startedAt = clock.steadyMs();
  const remaining = (): number =>
    budgetMs === 0 ? 0 : Math.max(1, budgetMs - (clock.steadyMs() - startedAt));
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt(remaining());
    } catch (error) {
      if (!isConnectorError(error) || !error.retryable || attempts === MOST_ATTEMPTS || signal?.aborted)
        throw error;
      const waitMs = error.retryAfterMs ?? backoff(attempts, clock.random());
      if (budgetMs !== 0 && waitMs >= remaining()) throw error;
      options.onRetry?.(error, Math.round(waitMs));
      await delay(clock, waitMs, signal);
      if (signal?.aborted) throw signal.reason as Error;
    }
  }
}

/** Wait after failed attempt number `attempts` (from 1): full jitter below 0.2 s, 0.4 s, 0.8 s … 5 s. */
export function backoff(attempts: number, random: number): number {
  return random * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1));
}

/**
 * Milliseconds that a `Retry-After` header asks to wait (RFC 9110 section 10.2.3): seconds or an
 * HTTP date. Undefined for anything else; negative values and past dates are 0, and nobody is
 * believed beyond one hour.
 */
export function retryAfterMs(header: string | undefined, wallMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const asked = /^-?\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - wallMs;
  return Number.isNaN(asked) ? undefined : Math.min(3_600_000, Math.max(0, asked));
}
