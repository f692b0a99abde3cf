import type { AccessToken } from '../access-token.js';

/** What a store keeps under one key. */
export interface StoredToken {
  readonly token: AccessToken;
  /** Text that belongs beside it (what was discovered on the way to it), at most 64 KiB. */
  readonly note?: string;
}

/** Where tokens are kept between their request and their end, by a key of the token source's making. */
export interface TokenStore {
  /** The token kept under `key`, whatever its age; from memory, at once. */
  get(key: string): AccessToken | undefined;
  /**
   * Runs `request` and keeps its token under `key`, unless a request for that key is already
   * running in this process: then its result is shared.
   */
  obtain(key: string, request: TokenRequest): Promise<AccessToken>;
}

/** A wish for a token. */
export interface TokenRequest {
  readonly accepts: (token: AccessToken) => boolean;
  readonly request: (note: string | undefined) => Promise<StoredToken>;
  readonly signal?: AbortSignal;
}
