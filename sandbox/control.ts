import type { FederatedCredential, TrustedSubject } from './authority/credentials.js';
import type { AuthorityRequest } from './authority/request-log.js';
import type { IssuedCertificate } from './certificates.js';
import type { Fault, ServiceName } from './faults.js';
import type { FederatedTokenRequest } from './federation/issuer.js';
import type { GateCancel, GateLogin } from './gate/login-log.js';
import type { AuthenticationKind, LoginRefusal } from './gate/script.js';
import type { Overrides } from './overrides.js';
import type { ProxyMode, ProxyRequest } from './proxy/server.js';
import type { ServerCertificateKind, TlsVersion } from './server-certificates.js';
import type { MintScript } from './tokens/mint.js';

/** What {@link Control.issueToken} puts into a token. */
export interface TokenRequest {
  /** Claims to change or remove; by default the token is the one that the app itself would get. */
  readonly claims?: Overrides;
  /** Seconds from now to `exp`, may be negative; the current token lifetime when absent. */
  readonly lifetimeSeconds?: number;
  /** `foreign` signs with a key that the gate does not know, under the right key's `kid`. */
  readonly signature?: 'own' | 'foreign';
}

/** What {@link Control.issueCertificate} makes. */
export interface CertificateOrder {
  /** `pg-entra flow reader`, as the app's own certificate has it, when absent. */
  readonly commonName?: string;
  /** Validity, ISO 8601; from yesterday, for a year, when absent. */
  readonly notBefore?: string;
  readonly notAfter?: string;
}

/** A server that speaks TLS. */
export type TlsServer = 'authority' | 'openId' | 'gate';

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
  /** Changes headers of every answer, e.g. `{ set: { age: '300' }, remove: ['date'] }`; names in lower case. */
  overrideHeaders(overrides: Overrides): void;
  /** Lets tokens issued from now on be JWTs (at start), or random texts that only the gate can look up. */
  setTokenFormat(format: MintScript['tokenFormat']): void;
  /** Adds faults for the next requests to the authority, or to the service that they name; presets stand in `faults.ts`. */
  addFaults(...faults: Fault[]): void;
  /** Drops the faults that were not used up; gives how many requests they would still have hit. */
  clearFaults(): number;
  /** Revokes one token, or with `all` every token issued so far: the gate refuses it from now on. */
  revoke(token: string): void;
  /** Lets the client secrets of all apps, or this one, expire (AADSTS7000222), or with `false` makes them good again. */
  expireSecret(expired?: boolean, secret?: string): void;
  /** Gives the app another client secret beside those it has. */
  addSecret(): string;
  /** Takes a client secret from the app (AADSTS7000215). */
  removeSecret(secret: string): void;
  /** A certificate under the sandbox's CA with a new key, registered nowhere. */
  issueCertificate(order?: CertificateOrder): Promise<IssuedCertificate>;
  /** Registers a certificate (PEM) on the app, beside those it has. */
  addCertificate(pem: string): void;
  /** Takes a certificate (PEM) from the app (AADSTS700027). */
  removeCertificate(pem: string): void;
  /** Lets a certificate (PEM) of the app expire (AADSTS1000502), or with `false` makes it good again. */
  expireCertificate(pem: string, expired?: boolean): void;
  /** Lets the app take certificates that it does not know, sent as `x5c`, by CA and common name (SN+I); none at start. */
  setTrustedSubjects(subjects: readonly TrustedSubject[]): void;
  /** Replaces the federated credentials of the app; one for `sandbox.federation` at start. */
  setFederatedCredentials(credentials: readonly FederatedCredential[]): void;
  /** Moves the clock of authority and gate by that many seconds (negative: back), on top of earlier moves. */
  moveClock(seconds: number): void;
  /** A token for the app, made without a request to the authority and without an entry in its log. */
  issueToken(request?: TokenRequest): Promise<string>;
  /** A token of `sandbox.federation`. */
  issueFederatedToken(request?: FederatedTokenRequest): Promise<string>;

  /** Requests that authority, provider and identity endpoints got, oldest first; never holds a secret, an assertion or a token. */
  requests(): readonly AuthorityRequest[];
  /** How many of them went to a token endpoint, of all services or of this one. */
  tokenRequestCount(service?: ServiceName): number;
  /** Empties the request log. */
  clearRequests(): void;
  /** Logins that the gate, or for PostgreSQL's own OAuth endpoint its validator, decided, oldest first. */
  logins(): readonly GateLogin[];
  /** Empties the log of logins. */
  clearLogins(): void;
  /** Requests to cancel a statement that the gate got, oldest first. */
  cancels(): readonly GateCancel[];

  /** What the gate asks a client for: `azure` at start. */
  setAuthentication(kind: AuthenticationKind): void;
  /** Refuses the next `count` logins after the password came, with this SQLSTATE and message. */
  refuseLogins(count: number, refusal: LoginRefusal): void;
  /** With `true` the gate answers N to SSLRequest and takes logins in plaintext, as a server without TLS. */
  setPlaintextOnly(plaintextOnly: boolean): void;
  /** The certificate that a server presents to connections from now on; `valid` at start. */
  setCertificate(server: TlsServer, kind: ServerCertificateKind): Promise<void>;
  /** What a server speaks with connections from now on; `current` at start. */
  setTlsVersion(server: TlsServer, version: TlsVersion): Promise<void>;
  /** With `false` a server refuses connections (and ends those it has), until it is `true` again. */
  setReachable(server: ServiceName | 'gate', reachable: boolean): Promise<void>;
  /** How the proxy takes requests; `open` at start. */
  setProxyMode(mode: ProxyMode): void;
  /** Requests that the proxy got, oldest first. */
  proxyRequests(): readonly ProxyRequest[];
  /** Resets every connection that is open through the gate; gives how many there were. */
  dropSessions(): number;
  /** Stops PostgreSQL (open sessions end with 57P01) and starts it again on the same files; rejects if it is not run. */
  restartPostgres(): Promise<void>;

  /** Puts everything above back as it was at start and empties the logs; revoked tokens stay revoked. */
  reset(): Promise<void>;
}
