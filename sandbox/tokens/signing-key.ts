import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import * as jose from 'jose';
import { keyFor } from '../certificates.js';

/** Who signs: the issuer's own key, or one that nobody knows, under the same `kid`. */
export type Signature = 'own' | 'foreign';

/** The RSA key by which an issuer signs its tokens; made when it is first needed. */
export interface SigningKey {
  /** JSON Web Key Set (RFC 7517) with the public key. */
  keySet(): Promise<jose.JSONWebKeySet>;
  /** The public key, for whoever verifies a token. */
  publicKey(): Promise<KeyObject>;
  /** A JWT with these claims (RS256). */
  sign(claims: Readonly<Record<string, unknown>>, signature?: Signature): Promise<string>;
}

/** The key of this process for an issuer. */
export const createSigningKey = (issuerName: string): SigningKey => {
  let own: ReturnType<typeof readKey> | undefined;
  const key = () => (own ??= readKey(issuerName));
  const privateKey = async (signature: Signature): Promise<KeyObject> =>
    signature === 'own'
      ? (await key()).privateKey
      : createPrivateKey((await keyFor(`foreign ${issuerName}`)).privateKey);
  return {
    keySet: async () => ({ keys: [(await key()).jwk] }),
    publicKey: async () => (await key()).publicKey,
    sign: async (claims, signature = 'own') => {
      const { kid } = await key();
      return new jose.SignJWT(claims)
        .setProtectedHeader({ typ: 'JWT', alg: 'RS256', x5t: kid, kid })
        .sign(await privateKey(signature));
    },
  };
};

const readKey = async (issuerName: string) => {
  const pair = await keyFor(issuerName);
  const publicKey = createPublicKey(pair.publicKey);
  const exported = await jose.exportJWK(publicKey);
  const kid = await jose.calculateJwkThumbprint(exported);
  const jwk = { ...exported, kid, x5t: kid, use: 'sig', alg: 'RS256' };
  return { privateKey: createPrivateKey(pair.privateKey), publicKey, kid, jwk };
};
