import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  randomUUID,
  type KeyObject,
} from 'node:crypto';
import * as jose from 'jose';
import { keyFor } from '../certificates.js';
import { override, type Overrides } from '../overrides.js';

/** The resource whose tokens open Azure Database for PostgreSQL in the public cloud. */
export const databaseResource = 'https://ossrdbms-aad.database.windows.net';

/** Who a token is for, and until when. */
export interface TokenSubject {
  readonly tenantId: string;
  readonly clientId: string;
  readonly objectId: string;
  readonly credential: 'secret' | 'certificate';
  /** ms since the epoch. */
  readonly now: number;
  readonly lifetimeSeconds: number;
}

/** A signed token and the `uti` claim by which logs name it. */
export interface AccessToken {
  readonly text: string;
  readonly id: string;
}

/** The key that signs access tokens, and those it signed. */
export interface TokenMint {
  /** JSON Web Key Set (RFC 7517) with the public key. */
  readonly keySet: jose.JSONWebKeySet;
  /** The public key, for whoever verifies a token. */
  readonly publicKey: KeyObject;
  issue(subject: TokenSubject, overrides: Overrides, signature?: 'own' | 'foreign'): Promise<AccessToken>;
  /** Marks a token as revoked, or with `all` those that were issued so far. */
  revoke(token: string): void;
  isRevoked(token: string): boolean;
}

/** The issuer of v1 tokens, which names Microsoft's own host whatever host issued the token. */
export const tokenIssuer = (tenantId: string): string => `https://sts.windows.net/${tenantId}/`;

/** A mint with a new RSA key. */
export const createTokenMint = async (): Promise<TokenMint> => {
  const own = await keyFor('tokens');
  const privateKey = createPrivateKey(own.privateKey);
  const publicKey = createPublicKey(own.publicKey);
  const jwk = await jose.exportJWK(publicKey);
  const kid = await jose.calculateJwkThumbprint(jwk);
  const issued = new Set<string>();
  const revoked = new Set<string>();
  let foreignKey: Promise<KeyObject> | undefined;

  const signingKey = (signature: 'own' | 'foreign'): Promise<KeyObject> | KeyObject => {
    if (signature === 'own') return privateKey;
    foreignKey ??= keyFor('foreign tokens').then((key) => createPrivateKey(key.privateKey));
    return foreignKey;
  };
  const issue = async (
    subject: TokenSubject,
    overrides: Overrides,
    signature: 'own' | 'foreign' = 'own',
  ): Promise<AccessToken> => {
    const claims = claimsOf(subject);
    const text = await new jose.SignJWT(override(claims, overrides))
      .setProtectedHeader({ typ: 'JWT', alg: 'RS256', x5t: kid, kid })
      .sign(await signingKey(signature));
    issued.add(fingerprint(text));
    return { text, id: claims.uti };
  };
  const revoke = (token: string): void => {
    for (const one of token === 'all' ? issued : [fingerprint(token)]) revoked.add(one);
  };
  return {
    keySet: { keys: [{ ...jwk, kid, x5t: kid, use: 'sig', alg: 'RS256' }] },
    publicKey,
    issue,
    revoke,
    isRevoked: (token) => revoked.has(fingerprint(token)),
  };
};

/** The claims of an Entra v1 app-only token; `iat` and `nbf` lie five minutes back, as Entra sets them against skewed clocks. */
const claimsOf = ({ tenantId, clientId, objectId, credential, now, lifetimeSeconds }: TokenSubject) => {
  const seconds = Math.floor(now / 1000);
  return {
    aud: databaseResource,
    iss: tokenIssuer(tenantId),
    iat: seconds - 300,
    nbf: seconds - 300,
    exp: seconds + lifetimeSeconds,
    aio: randomBytes(33).toString('base64url'),
    appid: clientId,
    appidacr: credential === 'certificate' ? '2' : '1',
    idp: tokenIssuer(tenantId),
    idtyp: 'app',
    oid: objectId,
    rh: `1.${randomBytes(48).toString('base64url')}.`,
    sub: objectId,
    tid: tenantId,
    uti: randomUUID().replaceAll('-', '').slice(0, 22),
    ver: '1.0',
  };
};

const fingerprint = (token: string): string => createHash('sha256').update(token).digest('base64');
