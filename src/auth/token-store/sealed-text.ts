import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** What a text is sealed with: the secret its keys are made from, and whom it is for. */
export interface Seal {
  readonly material: Buffer;
  readonly fingerprint: string;
}

/** What the bytes of a file are. `problem` completes "the file …" and quotes nothing of it. */
export type Unsealed =
  | { readonly kind: 'text'; readonly text: string }
  /** Not whole, or no token file at all. */
  | { readonly kind: 'damaged'; readonly problem: string }
  /** Whole, and of somebody else. */
  | { readonly kind: 'foreign'; readonly problem: string };

/** Version of the format that is written; docs/token-file.md describes it. */
const VERSION = 1;
const HEADER = Buffer.from(`pg-entra token file ${VERSION}\n`);
const ANY_HEADER = /^pg-entra token file ([1-9]\d{0,8})\n/;

const SALT = 32;
const NONCE = 12;
const IDENTITY = 32;
const TAG = 16;
const CHECKSUM = 32;
const BODY = HEADER.length + SALT + NONCE + IDENTITY;

/** `text`, encrypted with a key of its own. */
export function sealText(text: string, seal: Seal): Buffer {
  const salt = randomBytes(SALT);
  const nonce = randomBytes(NONCE);
  const open = Buffer.concat([HEADER, salt, nonce, identityTag(seal.fingerprint, salt)]);
  const cipher = createCipheriv('aes-256-gcm', deriveKey(seal, salt), nonce).setAAD(open);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  const sealed = Buffer.concat([open, body, cipher.getAuthTag()]);
  return Buffer.concat([sealed, checksumOf(sealed)]);
}

/**
 * Opens what {@link sealText} made. The checksum is no protection: it tells an accident from a file of
 * somebody else, whose key we do not have either.
 */
export function unsealText(bytes: Buffer, seal: Seal): Unsealed {
  const version = ANY_HEADER.exec(bytes.toString('latin1', 0, 40))?.[1];
  if (version === undefined) return damaged(bytes.length === 0 ? 'is empty' : 'is no token file');
  if (Number(version) > VERSION) return foreign('was written by a newer version of the connector');
  const sealed = bytes.subarray(0, -CHECKSUM);
  if (sealed.length < BODY + TAG || !checksumOf(sealed).equals(bytes.subarray(-CHECKSUM)))
    return damaged('is cut off or altered');
  const salt = sealed.subarray(HEADER.length, HEADER.length + SALT);
  if (!sealed.subarray(BODY - IDENTITY, BODY).equals(identityTag(seal.fingerprint, salt)))
    return foreign('holds the token of another identity (authority, tenant, client, scope or credential)');
  const text = decrypt(sealed, deriveKey(seal, salt));
  return text === undefined ? foreign('is encrypted with another key') : { kind: 'text', text };
}

function decrypt(sealed: Buffer, key: Buffer): string | undefined {
  const nonce = sealed.subarray(HEADER.length + SALT, HEADER.length + SALT + NONCE);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
  decipher.setAAD(sealed.subarray(0, BODY)).setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(BODY, -TAG)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function deriveKey({ material, fingerprint }: Seal, salt: Buffer): Buffer {
  const info = Buffer.concat([HEADER, createHash('sha256').update(fingerprint).digest()]);
  return Buffer.from(hkdfSync('sha256', material, salt, info, 32));
}

// Under the salt, so that files of one identity do not look alike.
function identityTag(fingerprint: string, salt: Buffer): Buffer {
  return createHmac('sha256', salt).update(fingerprint).digest();
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function damaged(problem: string): Unsealed {
  return { kind: 'damaged', problem };
}

function foreign(problem: string): Unsealed {
  return { kind: 'foreign', problem };
}
