import { randomUUID } from 'node:crypto';
import type { Route } from '../http/route.js';
import { override, type Overrides } from '../overrides.js';
import type { Signature, SigningKey } from '../tokens/signing-key.js';

/** What a federated token is to say; what is absent is as the ready-made app expects it. */
export interface FederatedTokenRequest {
  readonly subject?: string;
  readonly audience?: string;
  /** Seconds from now to `exp`, may be negative; an hour when absent. */
  readonly lifetimeSeconds?: number;
  /** `foreign` signs with a key that the issuer does not publish. */
  readonly signature?: Signature;
}

/** Another issuer than the authority, as a cluster of Kubernetes has one: its tokens can stand for an app. */
export interface FederationIssuer {
  readonly issuer: string;
  readonly key: SigningKey;
  issueToken(request?: FederatedTokenRequest): Promise<string>;
}

/** Who the issuer's tokens speak of when a request says nothing else. */
export const federationSubject = 'system:serviceaccount:flows:flow-reader';

/** The audience that Entra recommends for tokens to be exchanged. */
export const federationAudience = 'api://AzureADTokenExchange';

/** The issuer's identifier at this origin. */
export const federationIssuerAt = (origin: string): string => `${origin}/federation`;

/** The issuer at this origin, by this clock (ms since the epoch). */
export const createFederationIssuer = (
  origin: string,
  key: SigningKey,
  now: () => number,
): FederationIssuer => {
  const issuer = federationIssuerAt(origin);
  return {
    issuer,
    key,
    issueToken: ({
      subject = federationSubject,
      audience = federationAudience,
      lifetimeSeconds = 3600,
      signature = 'own',
    } = {}) => {
      const seconds = Math.floor(now() / 1000);
      const times = { iat: seconds, nbf: seconds, exp: seconds + lifetimeSeconds };
      return key.sign({ iss: issuer, sub: subject, aud: [audience], jti: randomUUID(), ...times }, signature);
    },
  };
};

/** Its discovery document and its keys, for whoever checks its tokens. */
export const federationRoutes = (
  origin: string,
  key: SigningKey,
  script: { readonly discovery: Overrides },
): readonly Route[] => {
  const issuer = federationIssuerAt(origin);
  const keys = `${issuer}/keys`;
  const document = {
    issuer,
    jwks_uri: keys,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  };
  return [
    {
      method: 'GET',
      path: new URL(`${issuer}/.well-known/openid-configuration`).pathname,
      kind: 'discovery',
      answer: () => ({ status: 200, body: override(document, script.discovery) }),
    },
    {
      method: 'GET',
      path: new URL(keys).pathname,
      kind: 'keys',
      answer: async () => ({ status: 200, body: { ...(await key.keySet()) } }),
    },
  ];
};
