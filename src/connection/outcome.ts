import { delay, type Clock } from '../clock.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import { isFatal, isServerError } from './pg-error.js';

/** How much longer than asked a write is waited for, so as to know its outcome. */
const OUTCOME_GRACE_MS = 100;

/** OUTCOME_UNKNOWN, because the answer to a write did not arrive for `reason`. */
export function inDoubt(reason: ConnectorError): ConnectorError {
  return new ConnectorError('OUTCOME_UNKNOWN', { problem: reason.message }, { cause: reason });
}

/**
 * What a write that was given up with `error` has come to, where its `reply` tells within 100 ms:
 * its result; or, when the server stopped it, the reason why it was given up, for then it certainly
 * did not happen. Else rejects with `error`.
 */
export async function lateOutcome<T>(reply: Promise<T>, error: unknown, clock: Clock): Promise<T> {
  // Where it is the server's own word (40003), nothing more is to come.
  if (!isConnectorError(error) || error.code !== 'OUTCOME_UNKNOWN' || error.cause === undefined) throw error;
  const over = new AbortController();
  const outcome = reply.then(
    (value) => ({ value }),
    (cause: unknown) => ({ cause }),
  );
  const known = await Promise.race([outcome, delay(clock, OUTCOME_GRACE_MS, over.signal)]);
  over.abort();
  if (known && 'value' in known) return known.value;
  const isStopped = known && isServerError(known.cause) && !isFatal(known.cause);
  throw isStopped ? (error.cause as ConnectorError) : error;
}
