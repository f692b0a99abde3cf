/** Every {@link AuthenticationKind}. */
export const authenticationKinds = ['cleartext', 'md5', 'scram', 'gss', 'sspi', 'trust'] as const;

/**
 * What the gate asks a client for: `cleartext` is what Azure does; `md5`, `scram`, `gss` and `sspi` are other
 * authentication requests (each ends in 28P01, whatever the client answers); `trust` asks for nothing.
 */
export type AuthenticationKind = (typeof authenticationKinds)[number];

/** An error to refuse a login with. */
export interface LoginRefusal {
  /** Five characters, e.g. `28000`. */
  readonly sqlState: string;
  readonly message: string;
}

/** What a test has told the gate to do; the gate reads it at each connection. */
export interface GateScript {
  authentication: AuthenticationKind;
  plaintextOnly: boolean;
  /** Refusals for the next logins, first one first. */
  refusals: LoginRefusal[];
}

/** The script of a gate that behaves as Azure Database for PostgreSQL does. */
export const defaultGateScript = (): GateScript => ({
  authentication: 'cleartext',
  plaintextOnly: false,
  refusals: [],
});
