import type { Socket } from 'node:net';
import { deadline, type Budget, type Clock } from '../../clock.js';
import { ConnectorError } from '../../errors.js';
import type { TlsSettings, WaySettings } from '../../settings/settings.js';

/** A PostgreSQL server, the way to it, and what its certificate is checked against. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  readonly way: WaySettings;
}

/** How long to wait for a connection, all its stages together, and who may give up earlier. */
export interface Wait {
  readonly clock: Clock;
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
}

/** How a stage tells its outcome. */
export interface Settle<T> {
  /** Aborts when the wait ends by its limit or by its caller. */
  readonly signal: AbortSignal;
  resolve(value: T): void;
  reject(error: Error): void;
  /** What to undo when the wait ends by its limit or by its caller. */
  onAbort(undo: () => void): void;
}

/**
 * The outcome of one stage of a connection. When the budget is used up or the caller leaves, what
 * the stage has begun is undone.
 *
 * @throws ConnectorError CONNECT_TIMEOUT naming the stage, the reason of the signal, or what the
 *   stage was rejected with
 */
export async function within<T>(
  wait: Wait,
  { host, port }: Pick<Endpoint, 'host' | 'port'>,
  stage: string,
  start: (settle: Settle<T>) => void,
): Promise<T> {
  const { clock } = wait;
  const { totalMs: timeoutMs } = wait.budget;
  const timeout = (): Error => new ConnectorError('CONNECT_TIMEOUT', { host, port, stage, timeoutMs });
  const { signal, dispose } = deadline(clock, wait.budget.remainingMs(), timeout, wait.signal);
  try {
    signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      const onAbort = (undo: () => void): void => {
        signal.addEventListener('abort', undo, { once: true });
      };
      onAbort(() => {
        reject(signal.reason as Error);
      });
      start({ signal, resolve, reject, onAbort });
    });
  } finally {
    dispose();
  }
}

/**
 * Has `socket` end when `signal` aborts; at once where it has aborted already.
 *
 * @throws the reason of `signal`
 */
export function endWith(signal: AbortSignal, socket: Socket): void {
  const leave = (): void => {
    socket.destroy();
  };
  signal.addEventListener('abort', leave, { once: true });
  if (!signal.aborted) return;
  leave();
  throw signal.reason as Error;
}
