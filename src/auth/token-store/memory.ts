import NodeCache from 'node-cache';
import type { AccessToken } from '../access-token.js';
import type { TokenStore } from './token-store.js';

// Expiry is decided by the token source and its clock; this only frees memory of identities that
// nobody asks for any more. Kept as they are (no clones): a clone of a Secret would lose its value.
const KEPT_SECONDS = 24 * 3_600;

// The cache drops an entry that is over its time only when it is asked for it.
function dropForgotten(tokens: NodeCache): void {
  for (const key of tokens.keys()) tokens.get(key);
}

/** A store in the memory of this process. */
export function createMemoryStore(): TokenStore {
  const tokens = new NodeCache({ useClones: false, checkperiod: 0, stdTTL: KEPT_SECONDS });
  const running = new Map<string, Promise<AccessToken>>();
  return {
    get: (key) => tokens.get<AccessToken>(key),
    obtain(key, request) {
      const shared = running.get(key);
      if (shared) return shared;
      const own = request()
        .then((token) => {
          dropForgotten(tokens);
          tokens.set(key, token);
          return token;
        })
        .finally(() => {
          running.delete(key);
        });
      running.set(key, own);
      return own;
    },
  };
}
