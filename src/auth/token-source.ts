import { setMaxListeners } from 'node:events';
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { asConnectorError, ConnectorError } from '../errors.js';
import type { Settings } from '../settings/settings.js';
import type { AccessToken } from './access-token.js';
import { backoff } from './retry.js';
import type { TokenStore } from './token-store/index.js';

/** State of the token for `health()`: times on the wall clock, ISO 8601. */
export interface TokenHealth {
  readonly state: 'none' | 'valid' | 'renewing' | 'expired';
  readonly expiresInSeconds?: number;
  /** The last renewal or request failed and none has succeeded since. */
  readonly failure?: { readonly code: string; readonly message: string; readonly since: string };
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
  /** Aborts a running request; later calls of {@link get} fail. */
  close(): void;
}

export interface TokenSourceOptions {
  readonly key: string;
  readonly request: (signal: AbortSignal) => Promise<AccessToken>;
  readonly store: TokenStore;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

/** Name under which a store keeps the token of `identity`: equal only where every part is equal. */
export function tokenKey(identity: Settings['identity']): string {
  const { authority, tenant, clientId, scope, credential } = identity;
  const proof =
    credential.kind === 'secret'
      ? ['secret', credential.secret.fingerprint()]
      : ['certificate', credential.type, credential.store.fingerprint(), credential.subject];
  return createHash('sha256')
    .update(JSON.stringify([authority, tenant, clientId, scope ?? '', ...proof]))
    .digest('base64url');
}

/** Milliseconds into its life of `lifetimeMs` at which a token is renewed: 50 to 75 %, spread by `random`. */
export function renewalAgeMs(lifetimeMs: number, random: number): number {
  return lifetimeMs * (0.5 + 0.25 * random);
}

/** The last part of a life of `lifetimeMs` in which a token is not used for a new login: min(60 s, L/10). */
export function unusableTailMs(lifetimeMs: number): number {
  return Math.min(60_000, lifetimeMs / 10);
}

/** Least time between two requests while tokens live `lifetimeMs`: min(30 s, L/4). */
export function spacingMs(lifetimeMs: number): number {
  return Math.min(30_000, lifetimeMs / 4);
}

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  return new SharedTokenSource(options);
}

class SharedTokenSource implements TokenSource {
  readonly #options: TokenSourceOptions;
  readonly #closing = new AbortController();
  #renewing: Promise<AccessToken> | undefined;
  #requestedAtMs = -Infinity;
  #replacedAtMs = -Infinity;
  #failure: { error: ConnectorError; sinceWallMs: number; attempts: number; retryAtMs: number } | undefined;
  #obtained = 0;
  #failed = 0;
  /** A token that the server refused us; others who share the store may still be served with it. */
  #refused: AccessToken | undefined;
  /** The token that {@link #renewAtMs} was drawn for. */
  #scheduled: AccessToken | undefined;
  #renewAtMs = 0;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal);
  }

  get(signal?: AbortSignal): AccessToken | Promise<AccessToken> {
    const { store, key, clock } = this.#options;
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error);
    const token = store.get(key);
    if (token !== undefined && token !== this.#refused) {
      const nowMs = clock.steadyMs();
      if (this.#isUsable(token, nowMs)) {
        if (nowMs >= this.#renewalOf(token)) this.#renewAhead(token, nowMs);
        return token;
      }
    }
    return forCaller(this.#request(), signal);
  }

  reject(token: AccessToken): boolean {
    const { store, key, clock, diagnostics } = this.#options;
    const nowMs = clock.steadyMs();
    if (store.get(key) !== token || token === this.#refused) return true;
    if (nowMs - this.#replacedAtMs < spacingMs(token.lifetimeMs)) return false;
    this.#refused = token;
    this.#replacedAtMs = nowMs;
    diagnostics.report('token.rejected', {});
    return true;
  }

  health(): TokenHealth {
    const { store, key, clock } = this.#options;
    const token = store.get(key);
    const remainingMs = token && this.#remainingMs(token, clock.steadyMs());
    const failure = this.#failure;
    return {
      state: this.#stateOf(token),
      ...(remainingMs !== undefined && { expiresInSeconds: Math.max(0, Math.floor(remainingMs / 1_000)) }),
      ...(failure && {
        failure: {
          code: failure.error.code,
          message: failure.error.message,
          since: new Date(failure.sinceWallMs).toISOString(),
        },
      }),
      obtained: this.#obtained,
      failed: this.#failed,
    };
  }

  close(): void {
    this.#closing.abort(new ConnectorError('CONNECTOR_CLOSED', {}));
  }

  #stateOf(token: AccessToken | undefined): TokenHealth['state'] {
    if (this.#renewing) return 'renewing';
    if (!token) return 'none';
    return this.#isUsable(token, this.#options.clock.steadyMs()) ? 'valid' : 'expired';
  }

  // Either clock may end a life: the steady one stands still while the machine sleeps, the wall
  // clock can be set back.
  #remainingMs(token: AccessToken, nowMs: number): number {
    return Math.min(token.expiresAtMs - nowMs, token.expiresAtWallMs - this.#options.clock.wallMs());
  }

  #isUsable(token: AccessToken, nowMs: number): boolean {
    return this.#remainingMs(token, nowMs) > unusableTailMs(token.lifetimeMs);
  }

  #renewalOf(token: AccessToken): number {
    if (this.#scheduled !== token) {
      this.#scheduled = token;
      this.#renewAtMs = token.obtainedAtMs + renewalAgeMs(token.lifetimeMs, this.#options.clock.random());
    }
    return this.#renewAtMs;
  }

  #renewAhead(token: AccessToken, nowMs: number): void {
    if (this.#renewing) return;
    if (nowMs < this.#requestedAtMs + spacingMs(token.lifetimeMs)) return;
    if (this.#failure && nowMs < this.#failure.retryAtMs) return;
    this.#request().catch((error: unknown) => {
      const { code, message } = asConnectorError(error);
      if (!this.#closing.signal.aborted) this.#options.diagnostics.report('token.kept', { code, message });
    });
  }

  /** The one request that is running, else a new one; right after a failure, that failure. */
  #request(): Promise<AccessToken> {
    if (this.#renewing) return this.#renewing;
    const nowMs = this.#options.clock.steadyMs();
    if (this.#failure && nowMs < this.#failure.retryAtMs) return Promise.reject(this.#failure.error);
    this.#requestedAtMs = nowMs;
    const running = this.#obtain()
      .then(
        (token) => this.#succeeded(token, nowMs),
        (error: unknown) => this.#failedWith(error),
      )
      .finally(() => {
        this.#renewing = undefined;
      });
    this.#renewing = running;
    return running;
  }

  #obtain(): Promise<AccessToken> {
    const { store, key, request } = this.#options;
    const { signal } = this.#closing;
    const present = store.get(key);
    return store.obtain(key, {
      accepts: (token) => token !== present,
      request: async () => ({ token: await request(signal) }),
      signal,
    });
  }

  #succeeded(token: AccessToken, startedAtMs: number): AccessToken {
    this.#failure = undefined;
    this.#obtained += 1;
    this.#options.diagnostics.report('token.obtained', {
      lifetimeSeconds: Math.round(token.lifetimeMs / 1_000),
      ms: Math.round(this.#options.clock.steadyMs() - startedAtMs),
    });
    return token;
  }

  #failedWith(cause: unknown): never {
    const { clock, diagnostics } = this.#options;
    const error = asConnectorError(cause);
    this.#failed += 1;
    const attempts = (this.#failure?.attempts ?? 0) + 1;
    const askedMs = Math.min(LONGEST_PAUSE_MS, error.retryAfterMs ?? backoff(attempts + 3, clock.random()));
    const waitMs = Math.max(SHORTEST_PAUSE_MS, askedMs);
    this.#failure = {
      error,
      attempts,
      sinceWallMs: this.#failure?.sinceWallMs ?? clock.wallMs(),
      retryAtMs: clock.steadyMs() + waitMs,
    };
    diagnostics.report('token.failed', { code: error.code, message: error.message });
    throw error;
  }
}

// After a failure callers get that failure for a while, so that a storm of them makes one request.
const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** `shared`, left early by the one caller whose `signal` aborts. */
function forCaller<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return shared;
  return new Promise<T>((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    shared.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', leave);
    });
  });
}
