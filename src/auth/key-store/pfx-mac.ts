import { createHmac, timingSafeEqual } from 'node:crypto';
import type { MacData } from '@peculiar/asn1-pfx';
import { nameOf } from './algorithm-names.js';
import { bounded, bytesOf, parse, Pbkdf2Parameters, Pbmac1Parameters, present } from './asn1-structures.js';
import { deriveKey, hashOfHmac, ID_PBKDF2 } from './key-derivation.js';
import type { PasswordForm } from './password-forms.js';
import { derivePkcs12, type HashName, PURPOSE } from './pkcs12-kdf.js';
import { algorithmUnsupported, passwordWrong, unreadable } from './store-errors.js';
import { MAX_ITERATIONS, type WorkBudget } from './work-budget.js';

/** True where a store has a MAC; the library gives an empty one where there is none. */
export function hasMac({ mac }: MacData): boolean {
  return mac.digestAlgorithm.algorithm !== '';
}

/**
 * Settles when the MAC is that of `content` under the password: HMAC with a key of the KDF of
 * PKCS#12 (RFC 7292 section 5.1) or PBMAC1 (RFC 9579).
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_UNREADABLE
 */
export async function checkMac(
  macData: MacData,
  content: Buffer,
  password: PasswordForm,
  budget: WorkBudget,
): Promise<void> {
  const { hash, key } = await macKeyOf(macData, password, budget);
  const expected = bytesOf(macData.mac.digest);
  const actual = createHmac(hash, key).update(content).digest();
  key.fill(0);
  // Compared in full: a MAC of one byte would be guessed at once.
  if (expected.length !== actual.length || !timingSafeEqual(actual, expected)) throw passwordWrong();
}

interface MacKey {
  readonly hash: string;
  readonly key: Buffer;
}

const ID_PBMAC1 = '1.2.840.113549.1.5.14';

async function macKeyOf(macData: MacData, password: PasswordForm, budget: WorkBudget): Promise<MacKey> {
  const { algorithm, parameters } = macData.mac.digestAlgorithm;
  if (algorithm === ID_PBMAC1) return pbmac1Key(present(parameters), password, budget);
  const hash = MAC_HASHES.get(algorithm);
  if (hash === undefined) throw algorithmUnsupported(nameOf(algorithm));
  const derivation = {
    hash,
    password: password.bmp,
    salt: bytesOf(macData.macSalt),
    iterations: bounded(macData.iterations, MAX_ITERATIONS, 'iteration count'),
    purpose: PURPOSE.mac,
    length: createHmac(hash, '').digest().length,
  };
  return { hash, key: await derivePkcs12(derivation, budget) };
}

const MAC_HASHES: ReadonlyMap<string, HashName> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.6', 'sha512-256'],
]);

// RFC 9579 takes PBKDF2 only, wants the length of its key stated, and advises against keys shorter
// than 20 bytes: a key of one byte would let one forgery in 256 pass without the password.
const MIN_KEY_BYTES = 20;
const MAX_KEY_BYTES = 64;

async function pbmac1Key(
  parameters: ArrayBuffer,
  { utf8 }: PasswordForm,
  budget: WorkBudget,
): Promise<MacKey> {
  const { keyDerivationFunc, messageAuthScheme } = parse(parameters, Pbmac1Parameters);
  const hash = hashOfHmac(messageAuthScheme.algorithm).name;
  if (keyDerivationFunc.algorithm !== ID_PBKDF2) {
    throw algorithmUnsupported(`PBMAC1 with ${nameOf(keyDerivationFunc.algorithm)}`);
  }
  const { keyLength } = parse(present(keyDerivationFunc.parameters), Pbkdf2Parameters);
  if (keyLength === undefined) throw unreadable('its PBMAC1 does not state how long its key is');
  const keyBytes = bounded(keyLength, { min: MIN_KEY_BYTES, max: MAX_KEY_BYTES }, 'MAC key length');
  return { hash, key: await deriveKey(keyDerivationFunc, { password: utf8, keyBytes, budget }) };
}
