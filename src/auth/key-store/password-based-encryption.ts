import { type BinaryLike, createDecipheriv, pbkdf2, scrypt, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import type { OctetString } from '@peculiar/asn1-schema';
import type { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import {
  bounded,
  parse,
  parseOctets,
  Pbes2Parameters,
  Pbkdf2Parameters,
  Pkcs12PbeParameters,
  ScryptParameters,
} from './asn1-structures.js';
import type { PasswordForm } from './password-forms.js';
import { derivePkcs12, PURPOSE } from './pkcs12-kdf.js';
import { algorithmUnsupported, passwordWrong, unreadable } from './store-errors.js';

/** The highest iteration count that is worked off: some seconds of one core. */
export const MAX_ITERATIONS = 10_000_000;

/**
 * The plaintext of `ciphertext` under a password-based scheme: PBES2 (RFC 8018 section 6.2) with
 * PBKDF2 or scrypt and AES-CBC or 3DES, or PBES1 of PKCS#12 (RFC 7292 appendix C) with 3DES.
 * PBKDF2 and scrypt run off the event loop.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG where it does not decrypt; CERTIFICATE_UNREADABLE
 *   for another algorithm, for more than 10,000,000 iterations and for a scrypt of more than 128 MiB
 */
export async function decrypt(
  { algorithm, parameters }: AlgorithmIdentifier,
  ciphertext: Buffer,
  password: PasswordForm,
): Promise<Buffer> {
  const scheme = SCHEMES.get(algorithm);
  if (!scheme) throw algorithmUnsupported(nameOf(algorithm));
  const { cipher, key, iv } = await scheme(present(parameters), password);
  try {
    return decipher(cipher, key, iv, ciphertext);
  } finally {
    key.fill(0);
  }
}

interface CipherKey {
  /** As node:crypto calls it. */
  readonly cipher: string;
  readonly key: Buffer;
  readonly iv: Buffer;
}

type Scheme = (parameters: ArrayBuffer, password: PasswordForm) => Promise<CipherKey>;

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['1.2.840.113549.1.5.13', pbes2],
  ['1.2.840.113549.1.12.1.3', (parameters, password) => pbes1TripleDes(parameters, password, 24)],
  ['1.2.840.113549.1.12.1.4', (parameters, password) => pbes1TripleDes(parameters, password, 16)],
]);

async function pbes1TripleDes(
  parameters: ArrayBuffer,
  password: PasswordForm,
  keyBytes: number,
): Promise<CipherKey> {
  const { salt, iterations } = parse(parameters, Pkcs12PbeParameters);
  const common = {
    hash: 'sha1',
    password: password.bmp,
    salt: bytesOf(salt),
    iterations: bounded(iterations, MAX_ITERATIONS, 'iteration count'),
  } as const;
  const derived = await derivePkcs12({ ...common, purpose: PURPOSE.key, length: keyBytes });
  const iv = await derivePkcs12({ ...common, purpose: PURPOSE.iv, length: 8 });
  // Two-key 3DES is three-key 3DES whose third key is the first.
  return { cipher: 'des-ede3-cbc', key: Buffer.alloc(24, derived), iv };
}

const PBES2_CIPHERS: ReadonlyMap<string, { readonly cipher: string; readonly keyBytes: number }> = new Map([
  ['2.16.840.1.101.3.4.1.2', { cipher: 'aes-128-cbc', keyBytes: 16 }],
  ['2.16.840.1.101.3.4.1.22', { cipher: 'aes-192-cbc', keyBytes: 24 }],
  ['2.16.840.1.101.3.4.1.42', { cipher: 'aes-256-cbc', keyBytes: 32 }],
  ['1.2.840.113549.3.7', { cipher: 'des-ede3-cbc', keyBytes: 24 }],
]);

async function pbes2(parameters: ArrayBuffer, { utf8 }: PasswordForm): Promise<CipherKey> {
  const { keyDerivationFunc, encryptionScheme } = parse(parameters, Pbes2Parameters);
  const found = PBES2_CIPHERS.get(encryptionScheme.algorithm);
  if (!found) throw algorithmUnsupported(nameOf(encryptionScheme.algorithm));
  const derive = DERIVATIONS.get(keyDerivationFunc.algorithm);
  if (!derive) throw algorithmUnsupported(nameOf(keyDerivationFunc.algorithm));
  const iv = parseOctets(present(encryptionScheme.parameters));
  const key = await derive(present(keyDerivationFunc.parameters), utf8, found.keyBytes);
  return { cipher: found.cipher, key, iv };
}

type Derivation = (parameters: ArrayBuffer, password: Buffer, keyBytes: number) => Promise<Buffer>;

const DERIVATIONS: ReadonlyMap<string, Derivation> = new Map([
  ['1.2.840.113549.1.5.12', derivePbkdf2],
  ['1.3.6.1.4.1.11591.4.11', deriveScrypt],
]);

// Pseudo-random functions of PBKDF2 (RFC 8018 appendix B.1) by their hash.
const PRF_HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
  ['1.2.840.113549.2.12', 'sha512-224'],
  ['1.2.840.113549.2.13', 'sha512-256'],
]);
const DEFAULT_PRF = '1.2.840.113549.2.7';

async function derivePbkdf2(parameters: ArrayBuffer, password: Buffer, keyBytes: number): Promise<Buffer> {
  const { salt, iterationCount, keyLength, prf } = parse(parameters, Pbkdf2Parameters);
  const prfAlgorithm = prf?.algorithm ?? DEFAULT_PRF;
  const hash = PRF_HASHES.get(prfAlgorithm);
  if (hash === undefined) throw algorithmUnsupported(nameOf(prfAlgorithm));
  if (keyLength !== undefined) checkKeyLength(Number(keyLength), keyBytes);
  const iterations = bounded(iterationCount, MAX_ITERATIONS, 'iteration count');
  return promisify(pbkdf2)(password, bytesOf(salt), iterations, keyBytes, hash);
}

const SCRYPT_MAX_BYTES = 128 * 1024 * 1024;
const SCRYPT_MAX_PARALLELIZATION = 16;

async function deriveScrypt(parameters: ArrayBuffer, password: Buffer, keyBytes: number): Promise<Buffer> {
  const { salt, keyLength, ...counts } = parse(parameters, ScryptParameters);
  if (keyLength !== undefined) checkKeyLength(Number(keyLength), keyBytes);
  const r = bounded(counts.blockSize, 1024, 'scrypt block size');
  const N = bounded(counts.costParameter, Math.floor(SCRYPT_MAX_BYTES / (128 * r)), 'scrypt cost');
  const p = bounded(counts.parallelizationParameter, SCRYPT_MAX_PARALLELIZATION, 'scrypt parallelization');
  // RFC 7914 section 2. Node.js would say so too, in a way that reads like a fault of ours.
  if (N < 2 || (N & (N - 1)) !== 0) throw unreadable('its scrypt cost is not a power of two');
  const options = { N, r, p, maxmem: 2 * SCRYPT_MAX_BYTES };
  return promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt)(
    password,
    bytesOf(salt),
    keyBytes,
    options,
  );
}

function checkKeyLength(given: number, needed: number): void {
  if (given !== needed) throw unreadable('the key length it states does not fit its cipher');
}

function decipher(cipher: string, key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  const blockBytes = cipher.startsWith('aes') ? 16 : 8;
  if (iv.length !== blockBytes) throw unreadable('its initialization vector has a wrong length');
  const decryption = createDecipheriv(cipher, key, iv);
  try {
    return Buffer.concat([decryption.update(ciphertext), decryption.final()]);
  } catch {
    throw passwordWrong();
  }
}

/** The bytes of `octets`, not copied. */
export function bytesOf(octets: OctetString): Buffer {
  return Buffer.from(octets.buffer);
}

function present(parameters: ArrayBuffer | null | undefined): ArrayBuffer {
  if (!parameters) throw unreadable('the parameters of its encryption are missing');
  return parameters;
}

// What is met in old stores and elsewhere, so that the message can name it.
const ALGORITHM_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.12.1.1', 'RC4-128 (PKCS#12)'],
  ['1.2.840.113549.1.12.1.2', 'RC4-40 (PKCS#12)'],
  ['1.2.840.113549.1.12.1.5', 'RC2-128 (PKCS#12)'],
  ['1.2.840.113549.1.12.1.6', 'RC2-40 (PKCS#12)'],
  ['1.2.840.113549.1.5.1', 'MD2 with DES (PBES1)'],
  ['1.2.840.113549.1.5.3', 'MD5 with DES (PBES1)'],
  ['1.2.840.113549.1.5.4', 'MD2 with RC2 (PBES1)'],
  ['1.2.840.113549.1.5.6', 'MD5 with RC2 (PBES1)'],
  ['1.2.840.113549.1.5.10', 'SHA-1 with DES (PBES1)'],
  ['1.2.840.113549.1.5.11', 'SHA-1 with RC2 (PBES1)'],
  ['1.2.840.113549.1.5.14', 'PBMAC1'],
  ['1.2.840.113549.3.2', 'RC2'],
  ['1.2.840.113549.3.4', 'RC4'],
  ['1.3.14.3.2.7', 'DES'],
  ['1.2.840.113549.2.5', 'MD5'],
]);

/** What people call the algorithm of the object identifier `algorithm`, with the identifier itself. */
export function nameOf(algorithm: string): string {
  const name = ALGORITHM_NAMES.get(algorithm);
  return name === undefined ? `the algorithm ${algorithm}` : `${name} (${algorithm})`;
}
