import { createMemoryStore } from './memory.js';
import type { TokenStore } from './token-store.js';

export type { StoredToken, TokenRequest, TokenStore } from './token-store.js';

const memoryStores = new Map<string, TokenStore>();

/**
 * The store that `OAuthSettingsLocation` names. `memory://name` is one store per name and
 * process; `memory://` is one of its own at each call.
 */
export function openTokenStore(location: string): TokenStore {
  if (location === 'memory://') return createMemoryStore();
  const found = memoryStores.get(location);
  if (found) return found;
  const made = createMemoryStore();
  memoryStores.set(location, made);
  return made;
}
