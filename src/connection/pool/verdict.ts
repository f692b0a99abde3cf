import { aborted, deadline, type Clock } from '../../clock.js';

/** What came of a question: a failure counts as no. */
export type Verdict = 'yes' | 'no' | 'silence';

/** What `ask` says within `limitMs`; silence too when `outer` ends the wait. Never rejects. */
export async function verdictOf(
  clock: Clock,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<boolean>,
  outer?: AbortSignal,
): Promise<Verdict> {
  const limit = deadline(clock, limitMs, () => new Error(`no answer within ${limitMs} ms`), outer);
  try {
    return (await Promise.race([ask(limit.signal), aborted(limit.signal)])) ? 'yes' : 'no';
  } catch {
    return limit.signal.aborted ? 'silence' : 'no';
  } finally {
    limit.dispose();
  }
}
