import { createPublicKey, randomBytes } from 'node:crypto';
import { databaseResource, tokenIssuer } from './authority/access-token.js';
import type { Directory } from './authority/directory.js';
import type { AuthorityRequest } from './authority/request-log.js';
import { startAuthority, type AuthorityScript } from './authority/server.js';
import type { BoundedLog } from './bounded-log.js';
import {
  createFederationIssuer,
  federationAudience,
  federationSubject,
  type FederationIssuer,
} from './federation/issuer.js';
import type { TrustedIssuer } from './gate/token-check.js';
import type { Service } from './http/service.js';
import { startManagedIdentity } from './managed-identity/server.js';
import type { ManagedIdentity } from './managed-identity/identity.js';
import { createClient, type OpenIdClient } from './openid/client.js';
import { databaseAudience, endpointsOf } from './openid/discovery.js';
import { startOpenId } from './openid/server.js';
import { createMint, type TokenMint } from './tokens/mint.js';
import { createSigningKey, type SigningKey } from './tokens/signing-key.js';
import type { TokenRegister } from './tokens/token-register.js';
import type { Trust } from './trust.js';
import type { Undoing } from './undoing.js';

/** What the services have in common. */
export interface CloudParts {
  readonly directory: Directory;
  readonly script: AuthorityScript;
  readonly log: BoundedLog<AuthorityRequest>;
  readonly register: TokenRegister;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** The keys that issuers sign with. */
export interface IssuerKeys {
  readonly authority: SigningKey;
  readonly federation: SigningKey;
  readonly openId: SigningKey;
}

/** The keys; those that a start needs are there when this resolves. */
export const makeIssuerKeys = async (): Promise<IssuerKeys> => {
  const keys = {
    authority: createSigningKey('tokens'),
    federation: createSigningKey('federation'),
    openId: createSigningKey('openid tokens'),
  };
  await Promise.all([keys.authority.publicKey(), keys.federation.publicKey()]);
  return keys;
};

/** Every service that gives tokens. */
export interface Cloud {
  readonly authority: Service;
  readonly mint: TokenMint;
  readonly openId: Service & { readonly issuer: string; readonly client: OpenIdClient };
  readonly federation: FederationIssuer;
  readonly managedIdentity: Service & { readonly header: string } & Record<
      'systemAssigned' | 'userAssigned',
      ManagedIdentity
    >;
  /** Whose tokens open the database. */
  readonly issuers: readonly TrustedIssuer[];
}

/** Starts the services. */
export const startCloud = async (
  parts: CloudParts,
  keys: IssuerKeys,
  trust: Trust,
  undoing: Undoing,
): Promise<Cloud> => {
  const { directory, script, log, register, now } = parts;
  const common = { script, log, now };
  const certificate = await trust.serverCertificates.pem('valid');
  const started = async (starting: Promise<Service>): Promise<Service> => {
    const service = await starting;
    undoing.add(() => service.close());
    return service;
  };
  const mint = createMint(keys.authority, register, script);
  const client = createClient(createPublicKey(trust.appCertificates.registered.keyPem));
  const header = randomBytes(16).toString('hex').toUpperCase();
  const systemAssigned = directory.register({ displayName: 'flow-machine' });
  const userAssigned = directory.register({ displayName: 'flow-identity' });
  const [openId, managedIdentity] = await Promise.all([
    started(
      startOpenId({
        ...common,
        certificate,
        client,
        mint: createMint(keys.openId, register, script),
        federationKey: keys.federation,
      }),
    ),
    started(
      startManagedIdentity({
        ...common,
        mint,
        header,
        systemAssigned,
        userAssigned,
        tenantId: directory.tenant.id,
      }),
    ),
  ]);
  const { issuer } = endpointsOf(openId.origin);
  const federation = createFederationIssuer(openId.origin, keys.federation, now);
  const authority = await started(
    startAuthority({ ...common, certificate, directory, mint, issuers: [federation] }),
  );
  return {
    authority,
    mint,
    openId: { ...openId, issuer, client },
    federation,
    managedIdentity: { ...managedIdentity, header, systemAssigned, userAssigned },
    issuers: [
      {
        issuer: tokenIssuer(directory.tenant.id),
        key: keys.authority,
        audience: databaseResource,
        principalOf: ({ tid, oid }) => (tid === directory.tenant.id ? oid : undefined),
      },
      { issuer, key: keys.openId, audience: databaseAudience, principalOf: ({ sub }) => sub },
    ],
  };
};

/** The credential by which the federation issuer's tokens stand for an app. */
export const federatedCredential = ({ issuer }: FederationIssuer) => ({
  issuer,
  subject: federationSubject,
  audience: federationAudience,
});
