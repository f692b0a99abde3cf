import { randomBytes, randomUUID, type KeyObject } from 'node:crypto';

/** The client that the provider knows. */
export interface OpenIdClient {
  readonly id: string;
  readonly secret: string;
  /** Subject of its tokens, a GUID: what its database role is mapped to. */
  readonly subject: string;
  /** Key of its assertions (`private_key_jwt`, and the grant of RFC 7523 section 2.1). */
  readonly publicKey: KeyObject;
}

/** A client with this key; its secret has letters that HTTP Basic must encode. */
export const createClient = (publicKey: KeyObject): OpenIdClient => ({
  id: 'flow reader',
  secret: `${randomBytes(24).toString('base64url')}+/:%&`,
  subject: randomUUID(),
  publicKey,
});
