import type { AuthorityRequest } from './authority/request-log.js';
import type { Fault } from './faults.js';
import type { GateLogin } from './gate/login-log.js';
import type { AuthenticationKind, LoginRefusal } from './gate/script.js';
import type { ServerCertificateKind } from './server-certificates.js';
import type { Overrides } from './overrides.js';

/** What {@link Control.issueToken} puts into a token. */
export interface TokenRequest {
  /** Claims to change or remove; by default the token is the one that the app itself would get. */
  readonly claims?: Overrides;
  /** Seconds from now to `exp`, may be negative; the current token lifetime when absent. */
  readonly lifetimeSeconds?: number;
  /** `foreign` signs with a key that the gate does not know, under the right key's `kid`. */
  readonly signature?: 'own' | 'foreign';
}

/**
 * The strings by which a test pulls the cloud. Everything holds until it is changed, or until `reset()`.
 * The same operations are reachable by HTTP (see README.md); all values here are plain JSON.
 */
export interface Control {
  /** Lifetime, in seconds, of tokens issued from now on: their `exp` and their `expires_in`. 3599 at start. */
  setTokenLifetime(seconds: number): void;
  /** Changes fields of every token response, e.g. `{ set: { expires_in: '-5' }, remove: ['token_type'] }`; `{}` ends it. */
  overrideTokenResponse(overrides: Overrides): void;
  /** Changes claims of every token issued from now on. */
  overrideClaims(overrides: Overrides): void;
  /** Changes fields of every discovery document. */
  overrideDiscovery(overrides: Overrides): void;
  /** Adds faults for the next requests to the authority; presets stand in `faults.ts`. */
  addFaults(...faults: Fault[]): void;
  /** Drops the faults that were not used up; gives how many requests they would still have hit. */
  clearFaults(): number;
  /** Revokes one token, or with `all` every token issued so far: the gate refuses it from now on. */
  revoke(token: string): void;
  /** Lets the client secrets of all apps expire (AADSTS7000222), or with `false` makes them good again. */
  expireSecret(expired?: boolean): void;
  /** Moves the clock of authority and gate by that many seconds (negative: back), on top of earlier moves. */
  moveClock(seconds: number): void;
  /** A token for the app, made without a request to the authority and without an entry in its log. */
  issueToken(request?: TokenRequest): Promise<string>;

  /** Requests that the authority got, oldest first; never holds a secret, an assertion or a token. */
  requests(): readonly AuthorityRequest[];
  /** How many of them went to the token endpoint. */
  tokenRequestCount(): number;
  /** Empties the request log. */
  clearRequests(): void;
  /** Logins that the gate decided, oldest first. */
  logins(): readonly GateLogin[];
  /** Empties the log of logins. */
  clearLogins(): void;

  /** What the gate asks a client for: `cleartext` (the token as password) at start. */
  setAuthentication(kind: AuthenticationKind): void;
  /** Refuses the next `count` logins after the password came, with this SQLSTATE and message. */
  refuseLogins(count: number, refusal: LoginRefusal): void;
  /** With `true` the gate answers N to SSLRequest and takes logins in plaintext, as a server without TLS. */
  setPlaintextOnly(plaintextOnly: boolean): void;
  /** The certificate that a server presents to connections from now on; `valid` at start. */
  setCertificate(server: 'authority' | 'gate', kind: ServerCertificateKind): Promise<void>;
  /** Resets every connection that is open through the gate; gives how many there were. */
  dropSessions(): number;
  /** Stops PostgreSQL (open sessions end with 57P01) and starts it again on the same files; rejects if it is not run. */
  restartPostgres(): Promise<void>;

  /** Puts everything above back as it was at start and empties the logs; revoked tokens stay revoked. */
  reset(): Promise<void>;
}
