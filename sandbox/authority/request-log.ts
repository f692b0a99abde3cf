import type { EndpointKind, Fault, ServiceName } from '../faults.js';

/** What a token request asked for and with what; without any secret, assertion or token. */
export interface GrantRecord {
  readonly grantType?: string;
  readonly clientId?: string;
  readonly scope?: string;
  /** What the client proved itself with; `federated`: the token of another issuer. */
  readonly credential: 'secret' | 'certificate' | 'federated' | 'none';
  /** How the client sent its secret: in the body, or by HTTP Basic. */
  readonly secretIn?: 'body' | 'header';
  /** `resource` or `audience` of the request. */
  readonly resource?: string;
  /** Header and claims of the client assertion as sent, if it could be read; `lifetimeSeconds` is exp − nbf. */
  readonly assertion?: {
    readonly algorithm?: string;
    readonly thumbprint?: string;
    /** How many certificates its header carries (`x5c`). */
    readonly chainLength?: number;
    readonly issuer?: string;
    readonly subject?: string;
    readonly jti?: string;
    readonly lifetimeSeconds?: number;
  };
  /** `uti` of the token that was issued. */
  readonly tokenId?: string;
}

/** One request to the authority, to the OpenID provider or to a managed identity endpoint. */
export interface AuthorityRequest {
  /** When it came, ms since the epoch by the sandbox's clock. */
  readonly at: number;
  /** Where it went, if not to the authority. */
  readonly service?: Exclude<ServiceName, 'authority'>;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly kind: EndpointKind;
  /** Tenant as written in the path. */
  readonly tenant?: string;
  /** HTTP status that was answered; 0 when the request got no answer or only a part of one. */
  readonly status: number;
  /** AADSTS number of a refusal. */
  readonly errorCode?: number;
  /** The client's `client-request-id`. */
  readonly correlationId?: string;
  /** Action of the scripted fault that hit the request. */
  readonly fault?: Fault['action'];
  readonly grant?: GrantRecord;
}
