import { delay, type Budget, type Clock } from '../clock.js';
import { isConnectorError, type ConnectorError } from '../errors.js';

export interface RetryOptions {
  readonly clock: Clock;
  /** What all attempts and waits may take together. */
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
  /** Told before each wait. */
  readonly onRetry?: (error: ConnectorError, delayMs: number) => void;
}

const MOST_ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 5_000;

/**
 * Result of the first `attempt` that succeeds. A retryable ConnectorError is tried again, at most
 * five times in all, after the time its peer asked for (`retryAfterMs`; 0 asks for none) or after
 * exponential back-off with full jitter; never beyond the budget: a wait that would pass it is not begun, and
 * the error of the last attempt is thrown.
 */
export async function withRetries<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { clock, budget, signal } = options;
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      const again = isConnectorError(error) && error.retryable && attempts < MOST_ATTEMPTS;
      if (!again || signal?.aborted === true) throw error;
      const waitMs = waitAfter(error, attempts, clock);
      const remainingMs = budget.remainingMs();
      if (remainingMs !== 0 && waitMs >= remainingMs) throw error;
      options.onRetry?.(error, Math.round(waitMs));
      await delay(clock, waitMs, signal);
      if (isAborted(signal)) throw signal.reason as Error;
    }
  }
}

function waitAfter({ retryAfterMs: asked = 0 }: ConnectorError, attempts: number, clock: Clock): number {
  return asked > 0 ? asked : backoff(attempts, clock.random());
}

// The signal may have changed while we waited, which a plain look at it would hide from the compiler.
function isAborted(signal: AbortSignal | undefined): signal is AbortSignal {
  return signal?.aborted === true;
}

/** Wait after failed attempt number `attempts` (from 1): full jitter below 0.2 s, 0.4 s, 0.8 s … 5 s. */
export function backoff(attempts: number, random: number): number {
  return random * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1));
}

const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * Milliseconds that a `Retry-After` header asks to wait (RFC 9110 section 10.2.3): whole seconds,
 * or an HTTP date in one of its three forms (section 5.6.7), in any letter case. Undefined for
 * anything else; negative values and past dates are 0, and nobody is believed beyond one hour.
 */
export function retryAfterMs(header: string | undefined, wallMs: number): number | undefined {
  const text = header?.trim() ?? '';
  const asked = /^[+-]?\d+$/.test(text) ? Number(text) * 1_000 : httpDateMs(text) - wallMs;
  return Number.isNaN(asked) ? undefined : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, asked));
}

const DATE_WITH_ZONE = /^[a-z]{3,9}, \d\d([ -])[a-z]{3}\1(\d\d){1,2} \d\d:\d\d:\d\d GMT$/i; // and RFC 850
const ASCTIME_DATE = /^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/i;

// Date.parse alone reads "abc 5" and "1.5" as dates, and asctime as local time.
function httpDateMs(text: string): number {
  if (DATE_WITH_ZONE.test(text)) return Date.parse(text);
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : NaN;
}
