import { createDecipheriv, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { nameOf } from './algorithm-names.js';
import { bounded, bytesOf, parse, Pkcs12PbeParameters, present } from './asn1-structures.js';
import { consume, readPrivateKey } from './private-key-info.js';
import { algorithmUnsupported, passwordWrong, unreadable } from './store-errors.js';
import { MAX_ITERATIONS, type WorkBudget } from './work-budget.js';

/** A password in the encodings of Java. */
interface JavaPassword {
  readonly text: string;
  /** Big-endian. */
  readonly utf16: Buffer;
}

// An RSA key of 16,384 bits takes 10 kB.
const MAX_KEY_BYTES = 65_536;
const ID_JKS_PROTECTION = '1.3.6.1.4.1.42.2.17.1.1';
const ID_JCEKS_PROTECTION = '1.3.6.1.4.1.42.2.19.1';

/**
 * The key of `encrypted`, an EncryptedPrivateKeyInfo of JKS or JCEKS.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_UNREADABLE, CERTIFICATE_KEY_UNSUITABLE
 */
export async function unprotect(
  encrypted: Buffer,
  password: JavaPassword,
  budget: WorkBudget,
): Promise<KeyObject> {
  if (encrypted.length > MAX_KEY_BYTES) throw unreadable('a private key in it is larger than 64 kB');
  const { encryptionAlgorithm, encryptedData } = parse(encrypted, EncryptedPrivateKeyInfo);
  const { algorithm, parameters } = encryptionAlgorithm;
  const ciphertext = bytesOf(encryptedData);
  if (algorithm === ID_JKS_PROTECTION) return consume(openJks(ciphertext, password.utf16), readPrivateKey);
  if (algorithm !== ID_JCEKS_PROTECTION) throw algorithmUnsupported(nameOf(algorithm));
  const pkcs8 = await openJceks(ciphertext, present(parameters), Buffer.from(password.text), budget);
  return consume(pkcs8, readPrivateKey);
}

const SHA1_BYTES = 20;

/**
 * What sun.security.provider.KeyProtector hides: a salt, the key under a chain of hashes that starts
 * with the salt, and a hash of password and key.
 */
function openJks(ciphertext: Buffer, password: Buffer): Buffer {
  const hidden = ciphertext.subarray(SHA1_BYTES, -SHA1_BYTES);
  const plaintext = Buffer.alloc(hidden.length);
  let pad = ciphertext.subarray(0, SHA1_BYTES);
  for (let start = 0; start < hidden.length; start += SHA1_BYTES) {
    pad = sha1(password, pad);
    for (let at = start; at < Math.min(start + SHA1_BYTES, hidden.length); at++) {
      plaintext[at] = (hidden[at] ?? 0) ^ (pad[at - start] ?? 0);
    }
  }
  const expected = ciphertext.subarray(-SHA1_BYTES);
  const actual = sha1(password, plaintext);
  if (hidden.length === 0 || !timingSafeEqual(actual, expected)) throw passwordWrong();
  return plaintext;
}

function sha1(...parts: readonly Buffer[]): Buffer {
  return hash('sha1', Buffer.concat(parts), 'buffer');
}

const SALT_BYTES = 8;

/**
 * What com.sun.crypto.provider.KeyProtector encrypts: 3DES whose key and vector are two chains of MD5,
 * one from each half of the salt. Java takes ASCII passwords only there; no other one ever opens it.
 */
async function openJceks(
  ciphertext: Buffer,
  parameters: ArrayBuffer,
  password: Buffer,
  budget: WorkBudget,
): Promise<Buffer> {
  const { salt, iterations } = parse(parameters, Pkcs12PbeParameters);
  const count = bounded(iterations, MAX_ITERATIONS, 'iteration count');
  const [first, second] = saltHalves(bytesOf(salt));
  const md5 = (value: Buffer) => hash('md5', Buffer.concat([value, password]), 'buffer');
  const derived = Buffer.concat([
    await budget.iterate(count, first, md5),
    await budget.iterate(count, second, md5),
  ]);
  try {
    const decryption = createDecipheriv('des-ede3-cbc', derived.subarray(0, 24), derived.subarray(24));
    return Buffer.concat([decryption.update(ciphertext), decryption.final()]);
  } catch {
    throw passwordWrong();
  } finally {
    derived.fill(0);
  }
}

// Equal halves would give equal keys, so the first is then reversed (com.sun.crypto.provider.PBES1Core).
function saltHalves(salt: Buffer): [Buffer, Buffer] {
  if (salt.length !== SALT_BYTES) throw unreadable('the salt of a private key has a wrong length');
  const [first, second] = [salt.subarray(0, 4), salt.subarray(4)];
  return [first.equals(second) ? Buffer.from(first).reverse() : first, second];
}
