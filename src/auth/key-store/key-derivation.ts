import { type BinaryLike, hash, pbkdf2, scrypt, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import type { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { nameOf } from './algorithm-names.js';
import { bounded, bytesOf, parse, Pbkdf2Parameters, present, ScryptParameters } from './asn1-structures.js';
import { algorithmUnsupported, unreadable } from './store-errors.js';
import { MAX_ITERATIONS, type WorkBudget } from './work-budget.js';

/** What to derive a key from and how long it shall be. */
interface Derivation {
  readonly password: Buffer;
  readonly keyBytes: number;
  readonly budget: WorkBudget;
}

type KeyDerivation = (parameters: ArrayBuffer, derivation: Derivation) => Promise<Buffer>;

/** The id of PBKDF2 (RFC 8018 appendix A.2). */
export const ID_PBKDF2 = '1.2.840.113549.1.5.12';

const DERIVATIONS: ReadonlyMap<string, KeyDerivation> = new Map([
  [ID_PBKDF2, derivePbkdf2],
  ['1.3.6.1.4.1.11591.4.11', deriveScrypt],
]);

/**
 * The key that PBKDF2 (RFC 8018 section 5.2) or scrypt (RFC 7914) derives. Both run off the event loop.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE for another function, for a stated length other than
 *   `keyBytes`, for more work than the budget has, for a scrypt of more than 128 MiB
 */
export async function deriveKey(
  { algorithm, parameters }: AlgorithmIdentifier,
  derivation: Derivation,
): Promise<Buffer> {
  const derive = DERIVATIONS.get(algorithm);
  if (!derive) throw algorithmUnsupported(nameOf(algorithm));
  return derive(present(parameters), derivation);
}

const HMAC_HASHES = {
  '1.2.840.113549.2.7': { name: 'sha1', bytes: 20 },
  '1.2.840.113549.2.8': { name: 'sha224', bytes: 28 },
  '1.2.840.113549.2.9': { name: 'sha256', bytes: 32 },
  '1.2.840.113549.2.10': { name: 'sha384', bytes: 48 },
  '1.2.840.113549.2.11': { name: 'sha512', bytes: 64 },
  '1.2.840.113549.2.12': { name: 'sha512-224', bytes: 28 },
  '1.2.840.113549.2.13': { name: 'sha512-256', bytes: 32 },
} as const;
const HASHES_BY_HMAC: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map(
  Object.entries(HMAC_HASHES),
);
const DEFAULT_PRF = '1.2.840.113549.2.7';

/** The hash function of an HMAC (RFC 8018 appendix B.1). @throws ConnectorError CERTIFICATE_UNREADABLE */
export function hashOfHmac(algorithm: string): { readonly name: string; readonly bytes: number } {
  const found = HASHES_BY_HMAC.get(algorithm);
  if (!found) throw algorithmUnsupported(nameOf(algorithm));
  return found;
}

async function derivePbkdf2(
  parameters: ArrayBuffer,
  { password, keyBytes, budget }: Derivation,
): Promise<Buffer> {
  const { salt, iterationCount, keyLength, prf } = parse(parameters, Pbkdf2Parameters);
  const { name, bytes } = hashOfHmac(prf?.algorithm ?? DEFAULT_PRF);
  checkKeyLength(keyLength, keyBytes);
  const iterations = bounded(iterationCount, MAX_ITERATIONS, 'iteration count');
  budget.spend(iterations * Math.ceil(keyBytes / bytes));
  return promisify(pbkdf2)(password, bytesOf(salt), iterations, keyBytes, name);
}

const SCRYPT_MAX_BYTES = 128 * 1024 * 1024;
const SCRYPT_MAX_PARALLELIZATION = 16;

async function deriveScrypt(
  parameters: ArrayBuffer,
  { password, keyBytes, budget }: Derivation,
): Promise<Buffer> {
  const { salt, keyLength, ...counts } = parse(parameters, ScryptParameters);
  checkKeyLength(keyLength, keyBytes);
  const r = bounded(counts.blockSize, 1024, 'scrypt block size');
  const N = bounded(counts.costParameter, Math.floor(SCRYPT_MAX_BYTES / (128 * r)), 'scrypt cost');
  const p = bounded(counts.parallelizationParameter, SCRYPT_MAX_PARALLELIZATION, 'scrypt parallelization');
  // RFC 7914 section 2. Node.js would say so too, in a way that reads like a fault of ours.
  if (N < 2 || (N & (N - 1)) !== 0) throw unreadable('its scrypt cost is not a power of two');
  // One round over 128 bytes takes about as long as one iteration of PBKDF2.
  budget.spend(N * r * p);
  const options = { N, r, p, maxmem: 2 * SCRYPT_MAX_BYTES };
  return promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt)(
    password,
    bytesOf(salt),
    keyBytes,
    options,
  );
}

function checkKeyLength(stated: number | string | undefined, needed: number): void {
  if (stated !== undefined && Number(stated) !== needed)
    throw unreadable('the key length it states does not fit its cipher');
}

interface Pbkdf1Derivation {
  readonly algorithm: 'md5' | 'sha1';
  readonly password: Buffer;
  readonly salt: Buffer;
  readonly iterations: number;
}

/** The 16 bytes that PBES1 takes key and initialization vector from: PBKDF1 (RFC 8018 section 5.1). */
export async function derivePbkdf1(
  { algorithm, password, salt, iterations }: Pbkdf1Derivation,
  budget: WorkBudget,
): Promise<Buffer> {
  const derived = await budget.iterate(iterations, Buffer.concat([password, salt]), (value) =>
    hash(algorithm, value, 'buffer'),
  );
  return derived.subarray(0, 16);
}
