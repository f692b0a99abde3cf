import type { AccessToken } from '../access-token.js';

/** Where tokens are kept between their request and their end, by a key of the token source's making. */
export interface TokenStore {
  /** The token kept under `key`, whatever its age; from memory, at once. */
  get(key: string): AccessToken | undefined;
  /**
   * Runs `request` and keeps its token under `key`, unless a request for that key is already
   * running in this process: then its result is shared.
   */
  obtain(key: string, request: () => Promise<AccessToken>): Promise<AccessToken>;
}
