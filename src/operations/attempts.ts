import type { Row } from '../connection/rows.js';
import type { Session } from '../connection/session.js';
import { isConnectorError } from '../errors.js';
import type { PlannedOperation } from './index.js';
import { runOperation, streamOperation, type Result, type ResultOptions, type RunOptions } from './run.js';

/** Lends sessions, one borrower at a time. */
export interface Lender<S extends Session> {
  /** One for `operation`, as the log names it. */
  acquire(operation: string, signal?: AbortSignal): Promise<S>;
  release(session: S): void;
}

/** Sessions found dead one after the other before that is told. */
const MOST_DEAD = 20;

/**
 * Runs `planned` in a session of `lender`. A session that turns out to be dead before anything was
 * sent is replaced by another one without a word. An operation whose answer was lost runs once more
 * if it only reads and leaves no trace: it was not seen by anybody, and a second one gives the same.
 *
 * @throws ConnectorError of the last attempt
 */
export async function runOnLoan<S extends Session>(
  lender: Lender<S>,
  planned: PlannedOperation,
  options: ResultOptions,
): Promise<Result> {
  const attempts = new Attempts(planned);
  for (;;) {
    const session = await lender.acquire(planned.operation.name, options.signal);
    const { sent } = session;
    try {
      return await runOperation(session, planned, options);
    } catch (error) {
      if (!attempts.mayFollow(error, sent, session.sent)) throw error;
    } finally {
      lender.release(session);
    }
  }
}

/**
 * The same in batches. Once rows were given it is not repeated. When `signal` aborts between two
 * batches the session is given back at that moment, whether or not anybody asks for more.
 */
export async function* streamOnLoan<S extends Session>(
  lender: Lender<S>,
  planned: PlannedOperation,
  options: RunOptions & { readonly batchSize: number },
): AsyncGenerator<Row[], void, undefined> {
  const attempts = new Attempts(planned);
  for (;;) {
    const session = await lender.acquire(planned.operation.name, options.signal);
    const { sent } = session;
    let isLent = true;
    const giveBack = (): void => {
      if (isLent) lender.release(session);
      isLent = false;
    };
    let isGiven = false;
    try {
      for await (const batch of streamOperation(session, planned, options)) {
        isGiven = true;
        // Behind the listener by which the session itself has stopped its statement.
        options.signal?.addEventListener('abort', giveBack, { once: true });
        yield batch;
        options.signal?.removeEventListener('abort', giveBack);
      }
      return;
    } catch (error) {
      if (isGiven || !attempts.mayFollow(error, sent, session.sent)) throw error;
    } finally {
      options.signal?.removeEventListener('abort', giveBack);
      giveBack();
    }
  }
}

/** Decides whether a failed attempt is followed by another. */
class Attempts {
  readonly #isRepeatable: boolean;
  #dead = 0;
  #isRepeated = false;

  constructor({ plan: { mayWrite, leavesTrace } }: PlannedOperation) {
    this.#isRepeatable = !mayWrite && !leavesTrace;
  }

  // Not after a word of the server (57P01, say): somebody may have meant this very statement. Nor where a
  // new session ends at once: the next one would do the same.
  mayFollow(error: unknown, sentBefore: number, sentNow: number): boolean {
    if (!isConnectorError(error) || error.code !== 'CONNECTION_LOST') return false;
    if (sentNow === sentBefore) return sentBefore > 0 && (this.#dead += 1) < MOST_DEAD;
    const mayRepeat = this.#isRepeatable && !this.#isRepeated;
    this.#isRepeated = true;
    return mayRepeat;
  }
}
