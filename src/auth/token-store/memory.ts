import NodeCache from 'node-cache';
import type { AccessToken } from '../access-token.js';
import type { StoredToken, TokenStore } from './token-store.js';

// Expiry is decided by the token source and its clock; this only frees memory of identities that
// nobody asks for any more. Kept as they are (no clones): a clone of a Secret would lose its value.
const KEPT_SECONDS = 24 * 3_600;

/** A store in the memory of this process. */
export function createMemoryStore(): TokenStore {
  const tokens = new NodeCache({ useClones: false, checkperiod: 0, stdTTL: KEPT_SECONDS });
  const running = new Map<string, Promise<AccessToken>>();
  return {
    get: (key) => tokens.get<StoredToken>(key)?.token,
    obtain(key, { accepts, request }) {
      const shared = running.get(key);
      if (shared) return shared;
      const kept = tokens.get<StoredToken>(key);
      if (kept && accepts(kept.token)) return Promise.resolve(kept.token);
      const own = request(kept?.note)
        .then((stored) => {
          tokens.set(key, stored);
          return stored.token;
        })
        .finally(() => {
          running.delete(key);
        });
      running.set(key, own);
      return own;
    },
  };
}
