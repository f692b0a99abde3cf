import type { StoredToken } from './token-store/index.js';

/** Facts for a report: names, dates and counts, never a secret. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** State of what the application proves itself with. */
export interface CredentialHealth {
  /** Which of two overlapping credentials is in use. */
  readonly inUse: 'first' | 'fallback';
  /** When it expires, ISO 8601, where that is known. */
  readonly expires?: string;
  /** Whole days until then; negative afterwards. */
  readonly daysLeft?: number;
}

/** Obtains tokens of one identity. How, each kind of identity knows for itself. */
export interface TokenClient {
  /**
   * Reads and checks what proves the application, without network; undefined where nothing is to
   * be checked.
   *
   * @throws ConnectorError of type POSTGRESQL:SETTINGS
   */
  readonly checkCredential: ((signal?: AbortSignal) => Promise<Facts>) | undefined;
  /** Finds the token endpoint, from the network at most once a day; undefined where it is given. */
  readonly discover: ((signal?: AbortSignal) => Promise<Facts>) | undefined;
  /**
   * A new token, with a note of what was discovered on the way. `note` is one of an earlier call,
   * perhaps of another process: it serves while it is good, and through an outage.
   *
   * @throws ConnectorError of type POSTGRESQL:AUTHENTICATION, POSTGRESQL:CANNOT_REACH,
   *   POSTGRESQL:TLS or POSTGRESQL:SETTINGS; or the reason of `signal`
   */
  requestToken(signal?: AbortSignal, note?: string): Promise<StoredToken>;
  /** What the key of a token file is made from: a secret that every process of this identity has; undefined where there is none. */
  keyMaterial(): Promise<Buffer | undefined>;
  /** Undefined before the credential was used, and where there is none. */
  credentialHealth(): CredentialHealth | undefined;
}
