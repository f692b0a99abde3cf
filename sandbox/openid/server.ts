import type { AuthorityRequest } from '../authority/request-log.js';
import type { BoundedLog } from '../bounded-log.js';
import { federationIssuerAt, federationRoutes, federationSubject } from '../federation/issuer.js';
import { outlineGrant } from '../http/grant-outline.js';
import type { Outcome, Route } from '../http/route.js';
import { startService, type Service, type ServiceScript } from '../http/service.js';
import type { Reading } from '../http/reading.js';
import type { Refusal } from '../http/refusal.js';
import { override, type Overrides } from '../overrides.js';
import type { MintScript, TokenMint } from '../tokens/mint.js';
import type { SigningKey } from '../tokens/signing-key.js';
import { createAssertionCheck } from './assertion.js';
import type { OpenIdClient } from './client.js';
import { discoveryDocument, endpointsOf, metadataPaths } from './discovery.js';
import { grantToken, type TokenEndpointParts } from './token-endpoint.js';

/** What the provider is made of. */
export interface OpenIdParts {
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly client: OpenIdClient;
  readonly mint: TokenMint;
  /** Key of the federation issuer, whose documents are served beside the provider's. */
  readonly federationKey: SigningKey;
  readonly script: ServiceScript & MintScript & { readonly discovery: Overrides };
  readonly log: BoundedLog<AuthorityRequest>;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** An HTTPS server with a generic OpenID provider (nothing of Entra about it) and the federation issuer. */
export const startOpenId = (parts: OpenIdParts): Promise<Service> =>
  startService({
    name: 'openId',
    certificate: parts.certificate,
    routes: (origin) => [
      ...providerRoutes(parts, origin),
      ...federationRoutes(origin, parts.federationKey, parts.script),
    ],
    refuse: oauthRefusal,
    script: parts.script,
    log: parts.log,
    now: parts.now,
  });

const providerRoutes = (parts: OpenIdParts, origin: string): readonly Route[] => {
  const { client, mint, script, now, federationKey } = parts;
  const { issuer, token_endpoint: tokenEndpoint, jwks_uri: keys } = endpointsOf(origin);
  const endpoint: TokenEndpointParts = {
    client,
    mint,
    script,
    now,
    issuer,
    assertions: createAssertionCheck(now),
    audiences: [issuer, tokenEndpoint],
    federated: async () => ({
      issuer: federationIssuerAt(origin),
      subjects: [federationSubject],
      publicKey: await federationKey.publicKey(),
      once: false,
    }),
  };
  return [
    ...metadataPaths.map((path): Route => ({
      method: 'GET',
      path,
      kind: 'discovery',
      answer: () => ({ status: 200, body: override(discoveryDocument(origin), script.discovery) }),
    })),
    {
      method: 'POST',
      path: new URL(tokenEndpoint).pathname,
      kind: 'token',
      answer: (reading) => grantToken(endpoint, reading),
      outline: outlineGrant,
    },
    {
      method: 'GET',
      path: new URL(keys).pathname,
      kind: 'keys',
      answer: async () => ({ status: 200, body: { ...(await mint.key.keySet()) } }),
    },
  ];
};

/** A refusal as RFC 6749 section 5.2 has it. */
const oauthRefusal = ({ status, error, message }: Refusal, { headers }: Reading): Outcome => {
  const challenge = status === 401 && headers.authorization !== undefined;
  return {
    status,
    body: { error, error_description: message },
    ...(challenge && { headers: { 'www-authenticate': 'Basic realm="flows"' } }),
  };
};
