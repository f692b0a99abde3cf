import { deadline, type Clock } from '../clock.js';
import { asConnectorError, ConnectorError } from '../errors.js';
import type { Poolable } from './pool.js';
import type { Session } from './session.js';

/** Whether a session may be used again, and if not, why. */
export type Validation = { readonly valid: true } | { readonly valid: false; readonly error: ConnectorError };

/**
 * Sessions for a host that owns their lifetime, as a connection provider of the Mule SDK does it:
 * outside the connector's own pool, each with a login of its own. A host keeps one (cached use) or
 * several (pooling use), validates each before it is used again, disconnects what is not valid any
 * more and connects anew. One user at a time: a statement waits, within its own limit, for the one
 * before it, and is not sent when it is given up meanwhile.
 *
 * What is still open when the connector is closed ends with it.
 */
export interface ConnectionProvider {
  /**
   * A session that is ready for use. `signal` ends the wait.
   *
   * @throws ConnectorError what the login failed with, CANCELLED, CONNECTOR_CLOSED
   */
  connect(options?: { readonly signal?: AbortSignal }): Promise<Session>;
  /**
   * Whether `session` may be lent again: it answers (`select 1`, one round trip) within `Timeout`, at
   * most five seconds, and stands in no transaction. One that is in use is waited for as long, and is
   * then not valid at the moment (OPERATION_TIMEOUT); its statement goes on. Never throws.
   */
  validate(session: Session): Promise<Validation>;
  /** Ends the session: in good order, or at once when it is broken. Idempotent, never rejects. */
  disconnect(session: Session): Promise<void>;
}

/** A session that tells when it is over. */
type TellingSession = Session & Pick<Poolable, 'whenBroken'>;

export interface ProviderOptions {
  readonly open: (signal: AbortSignal) => Promise<TellingSession>;
  readonly clock: Clock;
  /** Limit of one answer in milliseconds; 0 = none. */
  readonly timeoutMs: number;
}

const LONGEST_VALIDATION_MS = 5_000;

/** A {@link ConnectionProvider} and its end. */
export class SessionProvider implements ConnectionProvider {
  readonly #options: ProviderOptions;
  readonly #sessions = new Set<Session>();
  readonly #openings = new Set<AbortController>();
  #isClosed = false;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  async connect({ signal }: { readonly signal?: AbortSignal } = {}): Promise<Session> {
    const opening = new AbortController();
    const leave = (): void => {
      opening.abort(signal?.reason);
    };
    if (signal?.aborted) leave();
    signal?.addEventListener('abort', leave, { once: true });
    this.#openings.add(opening);
    try {
      return await this.#keep(await this.#options.open(opening.signal));
    } catch (error) {
      throw asConnectorError(error, opening.signal);
    } finally {
      this.#openings.delete(opening);
      signal?.removeEventListener('abort', leave);
    }
  }

  async validate(session: Session): Promise<Validation> {
    try {
      await this.#ask(session);
      return { valid: true };
    } catch (error) {
      return { valid: false, error: asConnectorError(error) };
    }
  }

  async disconnect(session: Session): Promise<void> {
    await session.close().catch(() => undefined);
  }

  /** Ends what is opening and what is open; {@link connect} is refused from now on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const opening of this.#openings) opening.abort(new ConnectorError('CONNECTOR_CLOSED', {}));
    await Promise.all([...this.#sessions].map((session) => this.disconnect(session)));
  }

  async #keep(session: TellingSession): Promise<Session> {
    if (this.#isClosed) {
      await this.disconnect(session);
      throw new ConnectorError('CONNECTOR_CLOSED', {});
    }
    this.#sessions.add(session);
    session.whenBroken(() => this.#sessions.delete(session));
    return session;
  }

  async #ask(session: Session): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const limitMs = Math.min(timeoutMs === 0 ? Infinity : timeoutMs, LONGEST_VALIDATION_MS);
    const silence = (): Error => new ConnectorError('OPERATION_TIMEOUT', { timeoutMs: limitMs });
    const limit = deadline(clock, limitMs, silence);
    try {
      await session.all({ text: 'select 1', values: [] }, { writes: false, signal: limit.signal });
    } catch (error) {
      if (asConnectorError(error).sqlState !== IN_FAILED_TRANSACTION) throw error;
    } finally {
      limit.dispose();
    }
    if (!session.usable) throw new ConnectorError('SESSION_IN_TRANSACTION', {});
  }
}

/** SQLSTATE in_failed_sql_transaction: every statement gets it until the transaction is ended. */
const IN_FAILED_TRANSACTION = '25P02';
