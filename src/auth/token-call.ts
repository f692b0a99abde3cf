import { startBudget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import type { ConnectorError } from '../errors.js';
import type { Network, SendLimits } from './network.js';
import { withRetries } from './retry.js';

/** What a client of any token endpoint works with. */
export interface TokenClientContext {
  /** What one call may take, all its requests and retries together, in milliseconds; 0 = no limit. */
  readonly timeoutMs: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/** The limits of one call that begins now; all its steps share them. */
export function startCall(
  { clock, timeoutMs }: Pick<TokenClientContext, 'clock' | 'timeoutMs'>,
  signal: AbortSignal | undefined,
): SendLimits {
  return { budget: startBudget(clock, timeoutMs), signal };
}

/**
 * Result of `work` that asks `host`, within the limits of the call; each retry is reported.
 *
 * @throws what {@link withRetries} throws
 */
export function withCallRetries<T>(
  { clock, diagnostics }: Pick<TokenClientContext, 'clock' | 'diagnostics'>,
  call: SendLimits,
  host: string,
  work: () => Promise<T>,
): Promise<T> {
  const onRetry = ({ code }: ConnectorError, delayMs: number): void => {
    diagnostics.report('authority.retry', { host, code, delayMs });
  };
  return withRetries({ clock, ...call, onRetry }, work);
}
