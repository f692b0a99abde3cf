import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { asConnectorError, ConnectorError } from '../errors.js';
import type { AccessToken } from './access-token.js';
import type { CredentialHealth } from './token-client.js';
import {
  LONGEST_PAUSE_MS,
  pauseMs,
  PERMANENT_PAUSE_MS,
  renewalAgeMs,
  SHORTEST_PAUSE_MS,
  spacingMs,
  unusableTailMs,
} from './token-life.js';
import type { StoredToken, TokenStore } from './token-store/index.js';

/** State of the token for `health()`: times on the wall clock, ISO 8601. */
export interface TokenHealth {
  readonly state: 'none' | 'valid' | 'renewing' | 'expired';
  readonly expiresInSeconds?: number;
  /** The last renewal or request failed and none has succeeded since. */
  readonly failure?: {
    readonly code: string;
    readonly message: string;
    readonly since: string;
    /** Seconds until the next attempt. */
    readonly retryInSeconds: number;
  };
  /** What the application proves itself with, once it was used. */
  readonly credential?: CredentialHealth;
  /** Requests that issued a token, since the source was made. */
  readonly obtained: number;
  /** Requests that failed. */
  readonly failed: number;
}

/** The token of the moment, for any number of callers. */
export interface TokenSource {
  /**
   * A token that may be used for a new login: at once from memory while it is good, else a
   * promise that all callers share. From somewhere between 50 and 75 % of its life on a new one is
   * requested in the background, and nobody waits for it.
   *
   * @throws ConnectorError what the token request failed with; the reason of `signal` for this caller alone
   */
  get(signal?: AbortSignal): AccessToken | Promise<AccessToken>;
  /**
   * Tells that the server refused `token`. Whoever tells it and however often, it is not given out
   * again here, and the next {@link get} requests a new one at once. False when `token` was itself
   * requested as a replacement a moment ago: then another one will not help.
   */
  reject(token: AccessToken): boolean;
  health(): TokenHealth;
  /** Renews nothing ahead of time until the next {@link get}: for who needs no token any more, or not for long. */
  rest(): void;
  /** Aborts a running request; later calls of {@link get} fail. */
  close(): void;
}

/** A token that the user supplied, and whether anything says how long it lives. */
export interface ReadSuppliedToken {
  readonly token: AccessToken;
  readonly isAgeKnown: boolean;
  /** Why no database may see it. */
  readonly refusal?: ConnectorError | undefined;
}

// A token of unknown age is renewed at once (CData's documentation of REFRESH), a foreign one is not used at all.
function isFit({ isAgeKnown, refusal }: ReadSuppliedToken): boolean {
  return isAgeKnown && refusal === undefined;
}

// A store that others share may give what we know as another object: values are compared.
function isSame(known: AccessToken | undefined, token: AccessToken): boolean {
  return known?.value.reveal() === token.value.reveal();
}

export interface TokenSourceOptions {
  readonly key: string;
  /** Obtains a token; `note` is what an earlier request left in the store. */
  readonly request: (signal: AbortSignal, note: string | undefined) => Promise<StoredToken>;
  readonly store: TokenStore;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  /** The user's own first token (`InitiateOAuth=REFRESH`). */
  readonly supplied?: ReadSuppliedToken | undefined;
  readonly credentialHealth?: () => CredentialHealth | undefined;
}

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  return new SharedTokenSource(options);
}

/** A request that is running, and who waits for it. */
interface RunningRequest {
  readonly token: Promise<AccessToken>;
  readonly abort: AbortController;
  /** Callers who would miss it; a renewal ahead has none and runs to its end. */
  callers: number;
  readonly isAhead: boolean;
}

interface RequestFailure {
  readonly error: ConnectorError;
  readonly attempts: number;
  readonly sinceWallMs: number;
  /** Until then callers who need a token get this failure. */
  readonly retryAtMs: number;
  /** Until then nothing is renewed ahead: the authority may have asked for a longer pause. */
  readonly renewAtMs: number;
}

class SharedTokenSource implements TokenSource {
  readonly #options: TokenSourceOptions;
  readonly #closing = new AbortController();
  #running: RunningRequest | undefined;
  #requestedAtMs = -Infinity;
  #replacedAtMs = -Infinity;
  #failure: RequestFailure | undefined;
  #obtained = 0;
  #failed = 0;
  /** A token that the server refused us; others who share the store may still be served with it. */
  #refused: AccessToken | undefined;
  /** The token that is given out without another look until it is to be renewed, on both clocks. */
  #current: AccessToken | undefined;
  #renewAtMs = 0;
  #renewAtWallMs = 0;
  #cancelPlan = (): void => undefined;
  #isAtRest = false;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal);
    const { supplied } = options;
    if (supplied && isFit(supplied)) this.#schedule(supplied.token);
  }

  get(signal?: AbortSignal): AccessToken | Promise<AccessToken> {
    const token = this.#current;
    const { clock } = this.#options;
    if (token !== undefined && clock.steadyMs() < this.#renewAtMs && clock.wallMs() < this.#renewAtWallMs)
      return token;
    return this.#look(signal);
  }

  reject(token: AccessToken): boolean {
    const { clock, diagnostics } = this.#options;
    const nowMs = clock.steadyMs();
    if (isSame(this.#current, token)) this.#current = undefined;
    if (!isSame(this.#known(), token) || isSame(this.#refused, token)) return true;
    if (nowMs - this.#replacedAtMs < spacingMs(token.lifetimeMs)) return false;
    this.#refused = token;
    this.#replacedAtMs = nowMs;
    diagnostics.report('token.rejected', {});
    return true;
  }

  health(): TokenHealth {
    const { clock, credentialHealth } = this.#options;
    const token = this.#known();
    const remainingMs = token && this.#remainingMs(token, clock.steadyMs());
    const credential = credentialHealth?.();
    return {
      state: this.#stateOf(token),
      ...(remainingMs !== undefined && { expiresInSeconds: Math.max(0, Math.floor(remainingMs / 1_000)) }),
      ...(this.#failure && { failure: this.#failureFacts(this.#failure) }),
      ...(credential && { credential }),
      obtained: this.#obtained,
      failed: this.#failed,
    };
  }

  rest(): void {
    this.#isAtRest = true;
    this.#cancelPlan();
    // The next caller takes the long way, which plans again.
    this.#current = undefined;
  }

  close(): void {
    this.#cancelPlan();
    this.#current = undefined;
    this.#closing.abort(new ConnectorError('CONNECTOR_CLOSED', {}));
  }

  /** The way of those who do not find a token that is good without question. */
  #look(signal: AbortSignal | undefined): AccessToken | Promise<AccessToken> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error);
    this.#isAtRest = false;
    const nowMs = this.#options.clock.steadyMs();
    const token = this.#known();
    if (token === undefined || isSame(this.#refused, token) || !this.#isUsable(token, nowMs))
      return this.#await(signal);
    if (token !== this.#current) this.#schedule(token);
    if (this.#isDue(nowMs)) this.#renewAhead(token, nowMs);
    return token;
  }

  #known(): AccessToken | undefined {
    const { store, key, supplied } = this.#options;
    return store.get(key) ?? (supplied && isFit(supplied) ? supplied.token : undefined);
  }

  #schedule(token: AccessToken): void {
    if (!this.#plansAhead()) return;
    const { clock, diagnostics } = this.#options;
    const ageMs = renewalAgeMs(token.lifetimeMs, clock.random());
    this.#current = token;
    this.#renewAtMs = token.obtainedAtMs + ageMs;
    this.#renewAtWallMs = token.expiresAtWallMs - token.lifetimeMs + ageMs;
    const delayMs = Math.max(0, Math.round(this.#renewAtMs - clock.steadyMs()));
    diagnostics.report('token.planned', { delayMs });
    this.#plan(delayMs);
  }

  #plansAhead(): boolean {
    return !this.#closing.signal.aborted && !this.#isAtRest;
  }

  // Also where nobody asks: a flow that runs rarely finds a good token, even in an outage of the authority.
  #plan(delayMs: number): void {
    this.#cancelPlan();
    this.#cancelPlan = this.#options.clock.after(delayMs, () => this.#renewByPlan(), { background: true });
  }

  #renewByPlan(): void {
    const token = this.#known();
    const nowMs = this.#options.clock.steadyMs();
    const isGone = token === undefined || !this.#isUsable(token, nowMs);
    if (this.#closing.signal.aborted || isGone) return;
    this.#renewAhead(token, nowMs);
    const pausedMs = (this.#failure?.renewAtMs ?? 0) - nowMs;
    if (!this.#running) this.#plan(Math.max(SHORTEST_PAUSE_MS, spacingMs(token.lifetimeMs), pausedMs));
  }

  #isDue(nowMs: number): boolean {
    return nowMs >= this.#renewAtMs || this.#options.clock.wallMs() >= this.#renewAtWallMs;
  }

  #stateOf(token: AccessToken | undefined): TokenHealth['state'] {
    if (this.#running) return 'renewing';
    if (!token) return 'none';
    return this.#isUsable(token, this.#options.clock.steadyMs()) ? 'valid' : 'expired';
  }

  #failureFacts({ error, sinceWallMs, retryAtMs }: RequestFailure): NonNullable<TokenHealth['failure']> {
    const { code, message } = error;
    const waitMs = Math.max(0, retryAtMs - this.#options.clock.steadyMs());
    return {
      code,
      message,
      since: new Date(sinceWallMs).toISOString(),
      retryInSeconds: Math.ceil(waitMs / 1_000),
    };
  }

  // Either clock may end a life: the steady one stands still while the machine sleeps, the wall
  // clock can be set back.
  #remainingMs(token: AccessToken, nowMs: number): number {
    return Math.min(token.expiresAtMs - nowMs, token.expiresAtWallMs - this.#options.clock.wallMs());
  }

  #isUsable(token: AccessToken, nowMs: number): boolean {
    return this.#remainingMs(token, nowMs) > unusableTailMs(token.lifetimeMs);
  }

  #renewAhead(token: AccessToken, nowMs: number): void {
    if (this.#running) return;
    if (nowMs < this.#requestedAtMs + spacingMs(token.lifetimeMs)) return;
    if (this.#failure && nowMs < this.#failure.renewAtMs) return;
    this.#start(true).token.catch((error: unknown) => {
      const { code, message } = asConnectorError(error);
      if (!this.#closing.signal.aborted) this.#options.diagnostics.report('token.kept', { code, message });
    });
  }

  /** The one request that is running, else a new one; right after a failure, that failure. */
  #await(signal: AbortSignal | undefined): Promise<AccessToken> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const nowMs = this.#options.clock.steadyMs();
    if (!this.#running && this.#failure && nowMs < this.#failure.retryAtMs)
      return Promise.reject(this.#failure.error);
    const running = this.#running ?? this.#start(false);
    running.callers += 1;
    return signal ? this.#awaitUntil(running, signal) : running.token;
  }

  // When the last of its callers has left, a request is of no use to anybody.
  #awaitUntil(running: RunningRequest, signal: AbortSignal): Promise<AccessToken> {
    return new Promise<AccessToken>((resolve, reject) => {
      const leave = (): void => {
        running.callers -= 1;
        if (running.callers === 0 && !running.isAhead) this.#abandon(running);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      running.token.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', leave);
      });
    });
  }

  #abandon(running: RunningRequest): void {
    if (this.#running === running) this.#running = undefined;
    running.abort.abort(new ConnectorError('CANCELLED', {}));
  }

  #start(isAhead: boolean): RunningRequest {
    this.#requestedAtMs = this.#options.clock.steadyMs();
    const abort = new AbortController();
    const close = (): void => {
      abort.abort(this.#closing.signal.reason);
    };
    this.#closing.signal.addEventListener('abort', close, { once: true });
    const token = this.#obtain(abort.signal)
      .then(
        (obtained) => this.#succeeded(obtained),
        (error: unknown) => this.#failedWith(error, abort.signal),
      )
      .finally(() => {
        this.#closing.signal.removeEventListener('abort', close);
        if (this.#running === running) this.#running = undefined;
      });
    const running: RunningRequest = { token, abort, callers: 0, isAhead };
    this.#running = running;
    // Those who left hear of it no more.
    token.catch(() => undefined);
    return running;
  }

  #obtain(signal: AbortSignal): Promise<AccessToken> {
    const { store, key, request, clock, diagnostics } = this.#options;
    const spent = [this.#known(), this.#refused];
    const accepts = (token: AccessToken): boolean =>
      !spent.some((other) => isSame(other, token)) && this.#isUsable(token, clock.steadyMs());
    const obtained = async (note: string | undefined): Promise<StoredToken> => {
      const startedAtMs = clock.steadyMs();
      const stored = await request(signal, note);
      this.#requireGain(stored.token);
      this.#obtained += 1;
      diagnostics.report('token.obtained', {
        lifetimeSeconds: Math.round(stored.token.lifetimeMs / 1_000),
        ms: Math.round(clock.steadyMs() - startedAtMs),
      });
      return stored;
    };
    return store.obtain(key, { accepts, request: obtained, signal });
  }

  // A token that ends before the one in use is no renewal: it stays out.
  #requireGain(token: AccessToken): void {
    const present = this.#known();
    const isInUse =
      present && !isSame(this.#refused, present) && this.#isUsable(present, this.#options.clock.steadyMs());
    if (!isInUse || token.expiresAtMs >= present.expiresAtMs) return;
    throw new ConnectorError('TOKEN_RESPONSE_MALFORMED', {
      problem: 'the new token ends before the one that is in use',
    });
  }

  #succeeded(token: AccessToken): AccessToken {
    this.#failure = undefined;
    this.#schedule(token);
    return token;
  }

  #failedWith(cause: unknown, signal: AbortSignal): never {
    if (signal.aborted && !this.#closing.signal.aborted) throw cause;
    const { clock, diagnostics } = this.#options;
    const error = asConnectorError(cause);
    this.#failed += 1;
    const attempts = (this.#failure?.attempts ?? 0) + 1;
    const pause = error.retryAfterMs ?? pauseMs(attempts, clock.random());
    const nowMs = clock.steadyMs();
    this.#failure = {
      error,
      attempts,
      sinceWallMs: this.#failure?.sinceWallMs ?? clock.wallMs(),
      retryAtMs: nowMs + Math.max(SHORTEST_PAUSE_MS, Math.min(LONGEST_PAUSE_MS, pause)),
      renewAtMs: nowMs + Math.max(SHORTEST_PAUSE_MS, pause),
    };
    diagnostics.report('token.failed', { code: error.code, message: error.message });
    // What somebody has to mend first is asked for rarely.
    const replanMs = error.retryable ? this.#failure.renewAtMs - nowMs : PERMANENT_PAUSE_MS;
    if (this.#plansAhead()) this.#plan(replanMs);
    throw error;
  }
}
