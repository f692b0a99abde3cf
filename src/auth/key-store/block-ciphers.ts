import { createDecipheriv } from 'node:crypto';
import { decryptRc2 } from './rc2.js';
import { passwordWrong } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/** A block cipher in CBC mode with the padding of PKCS#7. */
export interface BlockCipher {
  readonly keyBytes: number;
  /** Also the length of the initialization vector. */
  readonly blockBytes: number;
  /** @throws ConnectorError CERTIFICATE_PASSWORD_WRONG where the padding is not right */
  readonly decrypt: (ciphertext: Buffer, key: CipherKey, budget: WorkBudget) => Promise<Buffer>;
}

/** A key of the length its cipher takes. */
export interface CipherKey {
  readonly key: Buffer;
  readonly iv: Buffer;
}

/** `cipher` of node:crypto. */
export function nativeCipher(cipher: string, keyBytes: number, blockBytes: number): BlockCipher {
  return {
    keyBytes,
    blockBytes,
    async decrypt(ciphertext, { key, iv }) {
      const decryption = createDecipheriv(cipher, key, iv);
      try {
        return Buffer.concat([decryption.update(ciphertext), decryption.final()]);
      } catch {
        throw passwordWrong();
      }
    },
  };
}

/**
 * DES with `keyBytes` of 8, 16 (two-key 3DES) or 24 (3DES). Three equal keys make 3DES into DES, which
 * the OpenSSL of Node.js has no more, and two-key 3DES is 3DES whose third key is the first.
 */
export function desCipher(keyBytes: 8 | 16 | 24): BlockCipher {
  const tripleDes = nativeCipher('des-ede3-cbc', 24, 8);
  return {
    keyBytes,
    blockBytes: 8,
    decrypt: async (ciphertext, { key, iv }, budget) =>
      tripleDes.decrypt(ciphertext, { key: Buffer.alloc(24, key), iv }, budget),
  };
}

/** RC2 with keys of `keyBytes`, of which `effectiveBits` count (RFC 2268 section 2). */
export function rc2Cipher(keyBytes: number, effectiveBits = keyBytes * 8): BlockCipher {
  return {
    keyBytes,
    blockBytes: 8,
    async decrypt(ciphertext, { key, iv }, budget) {
      const padded = await decryptRc2(ciphertext, { key, iv, effectiveBits }, budget);
      return withoutPadding(padded ?? Buffer.alloc(0), 8);
    },
  };
}

// RFC 5652 section 6.3.
function withoutPadding(padded: Buffer, blockBytes: number): Buffer {
  const count = padded.at(-1) ?? 0;
  const padding = padded.subarray(-count);
  if (count < 1 || count > blockBytes || padding.some((byte) => byte !== count)) throw passwordWrong();
  return padded.subarray(0, -count);
}
