import { asConnectorError, type ConnectorError } from '../errors.js';
import type { Session } from './session.js';

/** Whether a session still answers, and if not, why. */
export type Validation = { readonly valid: true } | { readonly valid: false; readonly error: ConnectorError };

/**
 * Sessions for a host that owns their lifetime, as a connection provider of the Mule SDK does it:
 * outside the pool, each its own login.
 */
export interface ConnectionProvider {
  /** A session that is ready for use. Throws what opening failed with. */
  connect(options?: { readonly signal?: AbortSignal }): Promise<Session>;
  /** Asks the server once (`select 1`). Never throws. */
  validate(session: Session): Promise<Validation>;
  /** Ends the session. Idempotent, also for a broken one. */
  disconnect(session: Session): Promise<void>;
}

export function createProvider(open: (signal?: AbortSignal) => Promise<Session>): ConnectionProvider {
  return {
    async connect({ signal } = {}) {
      try {
        return await open(signal);
      } catch (error) {
        throw asConnectorError(error, signal);
      }
    },
    async validate(session) {
      try {
        await session.all({ text: 'select 1', values: [] }, { writes: false });
        return { valid: true };
      } catch (error) {
        return { valid: false, error: asConnectorError(error) };
      }
    },
    disconnect: (session) => session.close(),
  };
}
