import { delay, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, isConnectorError } from '../errors.js';
import type { ReconnectionSettings, Settings } from '../settings/settings.js';
import { textOf } from './host-roles.js';

/** What is being tried again. */
export interface ReconnectionHealth {
  /** Attempts that have failed, of the opening that has tried most. */
  readonly attempts: number;
  /** Code of the last failure. */
  readonly code: string;
}

interface Struggle {
  readonly attempts: number;
  readonly error: ConnectorError;
}

/**
 * Opens anew what could not be opened for a reason that may pass, as the reconnection strategies of
 * Mule do: NONE, STANDARD (a number of attempts) and FOREVER, with a fixed wait between attempts.
 */
export class Reconnection {
  readonly #settings: ReconnectionSettings;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  /** Where the attempts go, for the log. */
  readonly #host: string;
  /** Ends of the waits that are going on. */
  readonly #pauses = new Set<() => void>();
  #isClosed = false;
  readonly #struggles = new Map<symbol, Struggle>();

  constructor(
    { reconnection, server }: Settings,
    { clock, diagnostics }: { readonly clock: Clock; readonly diagnostics: Diagnostics },
  ) {
    this.#settings = reconnection;
    this.#host = server.hosts.map(textOf).join(',');
    this.#clock = clock;
    this.#diagnostics = diagnostics;
  }

  /**
   * The result of the first `attempt` that succeeds. A wait ends at once when `signal` aborts.
   *
   * @throws ConnectorError what an attempt failed with, unless it may pass; RECONNECTION_EXHAUSTED
   *   with that as its cause; CONNECTOR_CLOSED; the reason of `signal`
   */
  async open<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const opening = Symbol();
    try {
      for (let attempts = 1; ; attempts += 1) {
        try {
          return await attempt();
        } catch (error) {
          const struggle = this.#struggleAfter(error, attempts, signal);
          this.#struggles.set(opening, struggle);
          await this.#wait(struggle, signal);
        }
      }
    } finally {
      this.#struggles.delete(opening);
    }
  }

  /** For who has waited in vain while attempts go on: how they went. Undefined while none is repeated. */
  trouble(): ConnectorError | undefined {
    const worst = this.#worst();
    return worst && exhausted(worst);
  }

  /** Undefined while nothing is being tried again. */
  health(): ReconnectionHealth | undefined {
    const worst = this.#worst();
    return worst && { attempts: worst.attempts, code: worst.error.code };
  }

  /** Ends all waits with CONNECTOR_CLOSED. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#pauses) end();
  }

  /** Throws what ends the attempts. */
  #struggleAfter(error: unknown, attempts: number, signal: AbortSignal | undefined): Struggle {
    const { strategy } = this.#settings;
    if (strategy === 'NONE' || signal?.aborted === true) throw error;
    if (!isConnectorError(error) || !error.retryable) throw error;
    const struggle = { attempts, error };
    if (strategy === 'STANDARD' && attempts > this.#settings.attempts) throw exhausted(struggle);
    return struggle;
  }

  async #wait({ attempts: attempt, error }: Struggle, signal: AbortSignal | undefined): Promise<void> {
    const delayMs = Math.max(this.#settings.frequencyMs, error.retryAfterMs ?? 0);
    const { code } = error;
    this.#diagnostics.report('connection.retry', { attempt, host: this.#host, code, delayMs });
    await this.#pause(delayMs, signal);
    signal?.throwIfAborted();
    if (this.#isClosed) throw new ConnectorError('CONNECTOR_CLOSED', {});
  }

  async #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    const ending = new AbortController();
    const end = (): void => {
      ending.abort();
    };
    this.#pauses.add(end);
    signal?.addEventListener('abort', end);
    await delay(this.#clock, delayMs, ending.signal);
    signal?.removeEventListener('abort', end);
    this.#pauses.delete(end);
  }

  #worst(): Struggle | undefined {
    return [...this.#struggles.values()].toSorted((a, b) => b.attempts - a.attempts)[0];
  }
}

function exhausted({ attempts, error }: Struggle): ConnectorError {
  return new ConnectorError(
    'RECONNECTION_EXHAUSTED',
    {
      attempts: `${String(attempts)} attempt${attempts === 1 ? '' : 's'}`,
      problem: error.message.replace(/\.$/, ''),
    },
    { cause: error, sqlState: error.sqlState },
  );
}
