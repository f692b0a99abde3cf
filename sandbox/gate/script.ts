/** Every {@link AuthenticationKind}. */
export const authenticationKinds = [
  'azure',
  'cleartext',
  'md5',
  'scram',
  'scram-plus',
  'gss',
  'sspi',
  'oauthbearer',
  'trust',
] as const;

/**
 * What the gate asks a client for. `azure`: as Azure does, a token as cleartext password of a role with an Entra
 * mapping, SCRAM of a role with a password. `cleartext`, `md5` and `scram` ask every role in that way: a role with a
 * password is verified by PostgreSQL, any other one ends in 28P01 (save a token in `cleartext`). `scram-plus` is the
 * same with channel binding, verified by the gate, whose certificate is bound. `oauthbearer` takes a token as
 * PostgreSQL 18 does (RFC 7628). `gss` and `sspi` end in 28P01, whatever the client answers; `trust` asks for nothing.
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
  authentication: 'azure',
  plaintextOnly: false,
  refusals: [],
});
