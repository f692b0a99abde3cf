import { randomUUID } from 'node:crypto';
import type { BoundedLog } from '../bounded-log.js';
import { outlineGrant } from '../http/grant-outline.js';
import type { Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import type { Route } from '../http/route.js';
import { startService, type Service, type ServiceScript } from '../http/service.js';
import { override, type Overrides } from '../overrides.js';
import type { MintScript, TokenMint } from '../tokens/mint.js';
import { createAssertionJudge } from './client-assertion.js';
import type { Directory, Tenant } from './directory.js';
import { discoveryDocument } from './discovery.js';
import type { ForeignIssuer } from './federated-assertion.js';
import { entraRefusal, scriptedRefusal } from './refusal.js';
import type { AuthorityRequest } from './request-log.js';
import { grantClientCredentials, tenantOf, type TokenEndpointParts } from './token-endpoint.js';

/** What a test has told the authority to do; it reads this at each request. */
export interface AuthorityScript extends ServiceScript, MintScript {
  secretExpired: boolean;
  discovery: Overrides;
}

/** What the authority is made of. */
export interface AuthorityParts {
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly directory: Directory;
  readonly mint: TokenMint;
  /** Issuers whose tokens apps may register as credentials. */
  readonly issuers: readonly ForeignIssuer[];
  readonly script: AuthorityScript;
  readonly log: BoundedLog<AuthorityRequest>;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** An HTTPS server that answers as Entra's login host does. */
export const startAuthority = (parts: AuthorityParts): Promise<Service> =>
  startService({
    name: 'authority',
    certificate: parts.certificate,
    routes: (origin) => routes(parts, origin),
    refuse: entraRefusal,
    scripted: scriptedRefusal,
    headers: entraHeaders,
    script: parts.script,
    log: parts.log,
    now: parts.now,
  });

const routes = (parts: AuthorityParts, origin: string): readonly Route[] => {
  const { directory, mint, script, now } = parts;
  const endpoint: TokenEndpointParts = {
    directory,
    mint,
    script,
    now,
    issuers: parts.issuers,
    judge: createAssertionJudge(now),
    secretsExpired: () => script.secretExpired,
  };
  return [
    {
      method: 'GET',
      path: /^\/(?<tenant>[^/]+)\/v2\.0\/\.well-known\/openid-configuration$/,
      kind: 'discovery',
      answer: ({ tenant }) => {
        const document = discoveryDocument(origin, knownTenant(directory, tenant));
        return { status: 200, body: override(document, script.discovery) };
      },
    },
    {
      method: 'POST',
      path: /^\/(?<tenant>[^/]+)\/oauth2\/v2\.0\/token\/?$/,
      kind: 'token',
      answer: (reading) => grantClientCredentials(endpoint, origin, reading),
      outline: outlineGrant,
    },
    {
      method: 'GET',
      path: /^\/(?<tenant>[^/]+)\/discovery\/v2\.0\/keys$/,
      kind: 'keys',
      answer: async ({ tenant }) => {
        knownTenant(directory, tenant);
        return { status: 200, body: { ...(await mint.key.keySet()) } };
      },
    },
  ];
};

/** The tenant of this name; documents call an unknown one `invalid_tenant`, where the token endpoint does not. */
const knownTenant = (directory: Directory, name: string): Tenant => {
  try {
    return tenantOf(directory, name);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(error.status, 'invalid_tenant', error.message, error.code);
  }
};

const entraHeaders = ({ correlationId }: Reading) => ({
  'client-request-id': correlationId,
  'x-ms-request-id': randomUUID(),
  'x-ms-ests-server': '2.1.0 - SANDBOX',
});
