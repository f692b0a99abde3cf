import { createPrivateKey, type KeyObject } from 'node:crypto';
import { EncryptedPrivateKeyInfo, PrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { ConnectorError } from '../../errors.js';
import { bytesOf, parse } from './asn1-structures.js';
import { decrypt } from './password-based-encryption.js';
import type { PasswordForm } from './password-forms.js';
import { isPasswordWrong, passwordWrong, unreadable } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

const RSA_ALGORITHM = '1.2.840.113549.1.1.1';

/**
 * The key of a PrivateKeyInfo (PKCS#8, RFC 5958 section 2).
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE, or CERTIFICATE_KEY_UNSUITABLE for a kind unknown to node:crypto
 */
export function readPrivateKey(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  } catch (error) {
    const { algorithm } = parse(pkcs8, PrivateKeyInfo).privateKeyAlgorithm;
    if (algorithm === RSA_ALGORITHM) throw unreadable('its private key is damaged', error);
    throw new ConnectorError('CERTIFICATE_KEY_UNSUITABLE', { problem: `its algorithm is ${algorithm}` });
  }
}

/**
 * The key of an EncryptedPrivateKeyInfo (RFC 5958 section 3), with the first of `passwords` that opens it.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_UNREADABLE, CERTIFICATE_KEY_UNSUITABLE
 */
export async function readEncryptedPrivateKey(
  encrypted: Buffer | ArrayBuffer,
  passwords: readonly PasswordForm[],
  budget: WorkBudget,
): Promise<KeyObject> {
  const { encryptionAlgorithm, encryptedData } = parse(encrypted, EncryptedPrivateKeyInfo);
  return firstThatOpens(passwords, async (password) => {
    const pkcs8 = await decrypt(encryptionAlgorithm, bytesOf(encryptedData), password, budget);
    return consume(pkcs8, readPrivateKey);
  });
}

/**
 * What `read` makes of a plaintext, which is overwritten afterwards. One decryption in 256 with a
 * wrong password ends in good padding, so a plaintext that cannot be read means a wrong password.
 */
export function consume<T>(plaintext: Buffer, read: (plaintext: Buffer) => T): T {
  try {
    return read(plaintext);
  } catch (error) {
    if (error instanceof ConnectorError && error.code === 'CERTIFICATE_UNREADABLE') throw passwordWrong();
    throw error;
  } finally {
    plaintext.fill(0);
  }
}

/** What `open` gives with the first of `passwords` (at least one) that is not wrong. */
export async function firstThatOpens<T>(
  passwords: readonly PasswordForm[],
  open: (password: PasswordForm) => Promise<T>,
): Promise<T> {
  let refusal: unknown = passwordWrong();
  for (const password of passwords) {
    try {
      return await open(password);
    } catch (error) {
      if (!isPasswordWrong(error)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}
