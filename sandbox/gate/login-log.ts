/** A request to cancel a statement that came to the gate. */
export interface GateCancel {
  /** When it came, ms since the epoch by the sandbox's clock. */
  readonly at: number;
  /** Whether the connection was TLS. */
  readonly encrypted: boolean;
}

/** How a login at the gate, or at PostgreSQL's own OAuth endpoint, ended. */
export interface GateLogin {
  /** When it was decided, ms since the epoch by the sandbox's clock. */
  readonly at: number;
  /** `oauth`: decided for PostgreSQL's own endpoint; absent: at the gate. */
  readonly server?: 'oauth';
  readonly role: string;
  /** Empty at PostgreSQL's own endpoint, whose validator is not told. */
  readonly database: string;
  /** `accepted`: the session runs; `refused`: somebody answered with an error; `abandoned`: the client went away first. */
  readonly outcome: 'accepted' | 'refused' | 'abandoned';
  /** Who refused: the gate, or PostgreSQL behind it (e.g. 3D000). */
  readonly refusedBy?: 'gate' | 'postgres';
  readonly sqlState?: string;
  readonly message?: string;
  /** `uti` of the token, once its signature was found good. */
  readonly tokenId?: string;
  /** Whether the connection was TLS. */
  readonly encrypted: boolean;
  /** Whether the client sent a password (or another answer to the authentication request) at all. */
  readonly passwordReceived: boolean;
  readonly applicationName?: string;
}
