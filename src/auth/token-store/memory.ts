import NodeCache from 'node-cache';
import type { AccessToken } from '../access-token.js';
import type { StoredToken, TokenRequest, TokenStore } from './token-store.js';

/** The most tokens that one memory holds: 25 MB at the usual size. */
export const MOST_TOKENS = 5_000;

// Expiry is decided by the token source and its clock; this only frees memory of identities that
// nobody asks for any more. No token lives longer.
const KEPT_SECONDS = 24 * 3_600;

interface Kept {
  readonly stored: StoredToken;
  /** Number of the last use: the lower, the longer ago. */
  usedAt: number;
}

interface Running {
  readonly result: Promise<AccessToken>;
  readonly signal: AbortSignal | undefined;
}

/** Tokens in the memory of this process: bounded, those unused for the longest time leave first, one request a key at a time. */
class TokenMemory {
  // No clones: a clone of a Secret would lose its value.
  readonly #tokens = new NodeCache({ useClones: false, checkperiod: 0, stdTTL: KEPT_SECONDS });
  readonly #running = new Map<string, Running>();
  #uses = 0;

  get(key: string): StoredToken | undefined {
    const kept = this.#tokens.get<Kept>(key);
    if (!kept) return undefined;
    kept.usedAt = ++this.#uses;
    return kept.stored;
  }

  /** As {@link TokenStore.obtain}, with `produce` in the place of the request itself. */
  async obtain(
    key: string,
    { accepts, signal }: TokenRequest,
    produce: () => Promise<StoredToken>,
  ): Promise<AccessToken> {
    for (;;) {
      signal?.throwIfAborted();
      const token = this.get(key)?.token;
      if (token && accepts(token)) return token;
      const running = this.#running.get(key);
      if (!running) return this.#run(key, produce, signal);
      const shared = await resultOf(running, signal);
      if (shared && accepts(shared)) return shared;
    }
  }

  #run(
    key: string,
    produce: () => Promise<StoredToken>,
    signal: AbortSignal | undefined,
  ): Promise<AccessToken> {
    const result = produce()
      .then((stored) => this.#keep(key, stored))
      .finally(() => {
        this.#running.delete(key);
      });
    this.#running.set(key, { result, signal });
    return result;
  }

  #keep(key: string, stored: StoredToken): AccessToken {
    this.#makeRoom();
    this.#tokens.set<Kept>(key, { stored, usedAt: ++this.#uses });
    return stored.token;
  }

  // The bound of the cache itself throws. A tenth at once, so that the sorting is paid for rarely.
  #makeRoom(): void {
    if (this.#tokens.getStats().keys < MOST_TOKENS) return;
    const uses = this.#tokens
      .keys()
      .map((key) => ({ key, usedAt: this.#tokens.get<Kept>(key)?.usedAt ?? 0 }));
    uses.sort((a, b) => a.usedAt - b.usedAt);
    this.#tokens.del(uses.slice(0, MOST_TOKENS / 10).map(({ key }) => key));
  }
}

/** What `running` gives; undefined when its own caller gave up; rejects early with the reason of `signal`. */
function resultOf(running: Running, signal: AbortSignal | undefined): Promise<AccessToken | undefined> {
  const result = running.result.catch((error: unknown) => {
    if (running.signal?.aborted) return undefined;
    throw error;
  });
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
    result.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', leave);
    });
  });
}

/** The memory of everything in this process that has a name: `memory://name`, and files. */
export const processMemory = new TokenMemory();

/** A store of its own. */
export function ownMemoryStore(): TokenStore {
  return memoryStore(new TokenMemory(), '');
}

/** The store `name` of this process. */
export function namedMemoryStore(name: string): TokenStore {
  return memoryStore(processMemory, keyPrefix(name));
}

/** A beginning of keys that no other `parts` share, and no member of `Object.prototype`. */
export function keyPrefix(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function memoryStore(memory: TokenMemory, prefix: string): TokenStore {
  return {
    get: (key) => memory.get(prefix + key)?.token,
    obtain: (key, wanted) =>
      memory.obtain(prefix + key, wanted, () => wanted.request(memory.get(prefix + key)?.note)),
  };
}
