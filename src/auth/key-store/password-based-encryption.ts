import type { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { nameOf } from './algorithm-names.js';
import {
  bounded,
  bytesOf,
  parse,
  parseOctets,
  Pbes2Parameters,
  Pbkdf2Parameters,
  Pkcs12PbeParameters,
  present,
  Rc2CbcParameters,
} from './asn1-structures.js';
import { type BlockCipher, type CipherKey, desCipher, nativeCipher, rc2Cipher } from './block-ciphers.js';
import { deriveKey, derivePbkdf1, ID_PBKDF2 } from './key-derivation.js';
import type { PasswordForm } from './password-forms.js';
import { derivePkcs12, PURPOSE } from './pkcs12-kdf.js';
import { algorithmUnsupported, unreadable } from './store-errors.js';
import { MAX_ITERATIONS, type WorkBudget } from './work-budget.js';

/**
 * The plaintext of `ciphertext` under a password-based scheme: PBES2 (RFC 8018 section 6.2) with
 * PBKDF2 or scrypt, PBES1 (section 6.1), and that of PKCS#12 (RFC 7292 appendix C); the tables below
 * name the ciphers. PBKDF2 and scrypt run off the event loop, the rest on it in turns.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG where it does not decrypt; CERTIFICATE_UNREADABLE
 *   for another algorithm, for more work than `budget` has and for a scrypt of more than 128 MiB
 */
export async function decrypt(
  { algorithm, parameters }: AlgorithmIdentifier,
  ciphertext: Buffer,
  password: PasswordForm,
  budget: WorkBudget,
): Promise<Buffer> {
  const scheme = SCHEMES.get(algorithm);
  if (!scheme) throw algorithmUnsupported(nameOf(algorithm));
  const { cipher, key, iv } = await scheme(present(parameters), password, budget);
  if (iv.length !== cipher.blockBytes) throw unreadable('its initialization vector has a wrong length');
  try {
    return await cipher.decrypt(ciphertext, { key, iv }, budget);
  } finally {
    key.fill(0);
  }
}

interface KeyedCipher extends CipherKey {
  readonly cipher: BlockCipher;
}

type Scheme = (parameters: ArrayBuffer, password: PasswordForm, budget: WorkBudget) => Promise<KeyedCipher>;

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['1.2.840.113549.1.5.13', pbes2],
  ['1.2.840.113549.1.12.1.3', pkcs12(desCipher(24))],
  ['1.2.840.113549.1.12.1.4', pkcs12(desCipher(16))],
  ['1.2.840.113549.1.12.1.5', pkcs12(rc2Cipher(16))],
  ['1.2.840.113549.1.12.1.6', pkcs12(rc2Cipher(5))],
  ['1.2.840.113549.1.5.3', pbes1('md5', desCipher(8))],
  ['1.2.840.113549.1.5.6', pbes1('md5', rc2Cipher(8))],
  ['1.2.840.113549.1.5.10', pbes1('sha1', desCipher(8))],
  ['1.2.840.113549.1.5.11', pbes1('sha1', rc2Cipher(8))],
]);

function pkcs12(cipher: BlockCipher): Scheme {
  return async (parameters, { bmp }, budget) => {
    const common = { hash: 'sha1', password: bmp, ...saltAndIterations(parameters) } as const;
    const key = await derivePkcs12({ ...common, purpose: PURPOSE.key, length: cipher.keyBytes }, budget);
    const iv = await derivePkcs12({ ...common, purpose: PURPOSE.iv, length: cipher.blockBytes }, budget);
    return { cipher, key, iv };
  };
}

function pbes1(algorithm: 'md5' | 'sha1', cipher: BlockCipher): Scheme {
  return async (parameters, { utf8 }, budget) => {
    const given = { algorithm, password: utf8, ...saltAndIterations(parameters) };
    const derived = await derivePbkdf1(given, budget);
    return { cipher, key: derived.subarray(0, 8), iv: derived.subarray(8, 16) };
  };
}

function saltAndIterations(parameters: ArrayBuffer): { salt: Buffer; iterations: number } {
  const { salt, iterations } = parse(parameters, Pkcs12PbeParameters);
  return { salt: bytesOf(salt), iterations: bounded(iterations, MAX_ITERATIONS, 'iteration count') };
}

async function pbes2(
  parameters: ArrayBuffer,
  { utf8 }: PasswordForm,
  budget: WorkBudget,
): Promise<KeyedCipher> {
  const { keyDerivationFunc, encryptionScheme } = parse(parameters, Pbes2Parameters);
  const { cipher, iv } = cipherOf(encryptionScheme, keyDerivationFunc);
  const key = await deriveKey(keyDerivationFunc, { password: utf8, keyBytes: cipher.keyBytes, budget });
  return { cipher, key, iv };
}

const PBES2_CIPHERS: ReadonlyMap<string, BlockCipher> = new Map([
  ['2.16.840.1.101.3.4.1.2', nativeCipher('aes-128-cbc', 16, 16)],
  ['2.16.840.1.101.3.4.1.22', nativeCipher('aes-192-cbc', 24, 16)],
  ['2.16.840.1.101.3.4.1.42', nativeCipher('aes-256-cbc', 32, 16)],
  ['1.2.840.113549.3.7', desCipher(24)],
  ['1.3.14.3.2.7', desCipher(8)],
  ['1.2.392.200011.61.1.1.1.2', nativeCipher('camellia-128-cbc', 16, 16)],
  ['1.2.392.200011.61.1.1.1.3', nativeCipher('camellia-192-cbc', 24, 16)],
  ['1.2.392.200011.61.1.1.1.4', nativeCipher('camellia-256-cbc', 32, 16)],
  ['1.2.410.200046.1.1.2', nativeCipher('aria-128-cbc', 16, 16)],
  ['1.2.410.200046.1.1.7', nativeCipher('aria-192-cbc', 24, 16)],
  ['1.2.410.200046.1.1.12', nativeCipher('aria-256-cbc', 32, 16)],
]);
const ID_RC2_CBC = '1.2.840.113549.3.2';

interface CipherWithVector {
  readonly cipher: BlockCipher;
  readonly iv: Buffer;
}

function cipherOf(scheme: AlgorithmIdentifier, derivation: AlgorithmIdentifier): CipherWithVector {
  const parameters = present(scheme.parameters);
  if (scheme.algorithm === ID_RC2_CBC) return rc2Of(parameters, derivation);
  const cipher = PBES2_CIPHERS.get(scheme.algorithm);
  if (!cipher) throw algorithmUnsupported(nameOf(scheme.algorithm));
  return { cipher, iv: parseOctets(parameters) };
}

// RFC 8018 appendix B.2.3: the effective bits in a code of their own.
const RC2_EFFECTIVE_BITS: ReadonlyMap<number, number> = new Map([
  [160, 40],
  [120, 64],
  [58, 128],
]);

// RC2 takes keys of any length, so the derivation says how long its key is.
function rc2Of(
  parameters: ArrayBuffer,
  { algorithm, parameters: kdf }: AlgorithmIdentifier,
): CipherWithVector {
  const { version, iv } = parse(parameters, Rc2CbcParameters);
  const effectiveBits = RC2_EFFECTIVE_BITS.get(Number(version));
  if (effectiveBits === undefined) throw algorithmUnsupported(`${nameOf(ID_RC2_CBC)} of version ${version}`);
  const stated = algorithm === ID_PBKDF2 ? parse(present(kdf), Pbkdf2Parameters).keyLength : undefined;
  const keyBytes = bounded(stated ?? effectiveBits / 8, 128, 'key length');
  return { cipher: rc2Cipher(keyBytes, effectiveBits), iv: bytesOf(iv) };
}
