import type { Clock } from '../../clock.js';
import type { AccessToken } from '../access-token.js';
import type { Files } from './files.js';

/** The longest {@link StoredToken.note} that is kept, in bytes of UTF-8; a longer one is left out. */
export const LONGEST_NOTE_BYTES = 65_536;

/** What a store keeps under one key. */
export interface StoredToken {
  readonly token: AccessToken;
  /** Text that belongs beside it (the checked discovery result), at most 64 KiB. */
  readonly note?: string;
}

/** How one caller comes to a token. */
export interface TokenRequest {
  /**
   * Whether a kept token will do. A token that was read from a file is a new object each time:
   * compare values, not objects.
   */
  readonly accepts: (token: AccessToken) => boolean;
  /** Asks the authority. What it gives is the result, whatever `accepts` says of it. */
  readonly request: (note: string | undefined) => Promise<StoredToken>;
  /** Ends the waiting for others; who waits for the request of a caller that gave up, makes its own. */
  readonly signal?: AbortSignal;
}

/** Where tokens are kept between their request and their end, by a key of the token source's making. */
export interface TokenStore {
  /** The token kept under `key`, whatever its age; from memory, at once. */
  get(key: string): AccessToken | undefined;
  /**
   * A token for `key` that `accepts` takes: kept already (in memory, or where processes share it), being
   * requested by somebody else at this moment, or requested now by `request`, which gets the note that is
   * stored. Requests of one key run once at a time (in the process; for a file: among all processes that
   * share it).
   *
   * @throws what `request` fails with, also when it ran for somebody else; the reason of `signal`;
   *   ConnectorError TOKEN_FILE_KEY_MISSING, TOKEN_FILE_REFUSED (a file only)
   */
  obtain(key: string, request: TokenRequest): Promise<AccessToken>;
}

/** What a store is opened with. */
export interface TokenStoreOptions {
  /** Value of `OAuthSettingsLocation`: `memory://`, `memory://name`, or the path of a file. */
  readonly location: string;
  readonly clock: Clock;
  /** Text that is equal only for the same authority, tenant, client, scope and kind of credential. */
  readonly fingerprint: string;
  /** The secret from which a store outside this process makes its keys; asked for only by such a store. */
  readonly keyMaterial: () => Promise<Buffer | undefined>;
  /** The file system; that of Node.js by default. */
  readonly files?: Files | undefined;
  /** Told one line for people when a file cannot serve and the token stays in memory. */
  readonly onWarning?: ((text: string) => void) | undefined;
}
