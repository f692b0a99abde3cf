import type { WorkBudget } from './work-budget.js';

const BLOCK_BYTES = 8;
const CHUNK_BYTES = 16_384;

/**
 * `ciphertext` decrypted by RC2-CBC (RFC 2268) with `effectiveBits` of `key`, padding still on;
 * undefined where it is not whole blocks. The OpenSSL of Node.js has no RC2, so node-forge does it,
 * loaded by whoever has such a store, in pieces of a few milliseconds.
 */
export async function decryptRc2(
  ciphertext: Buffer,
  { key, iv, effectiveBits }: { readonly key: Buffer; readonly iv: Buffer; readonly effectiveBits: number },
  budget: WorkBudget,
): Promise<Buffer | undefined> {
  if (ciphertext.length === 0 || ciphertext.length % BLOCK_BYTES !== 0) return undefined;
  const { default: forge } = await import('node-forge');
  const cipher = forge.rc2.createDecryptionCipher(key.toString('latin1'), effectiveBits);
  const plaintext: Buffer[] = [];
  for (let start = 0; start < ciphertext.length; start += CHUNK_BYTES) {
    const chunk = ciphertext.subarray(start, start + CHUNK_BYTES);
    const chained = start === 0 ? iv : ciphertext.subarray(start - BLOCK_BYTES, start);
    cipher.start(chained.toString('latin1'));
    cipher.update(forge.util.createBuffer(chunk.toString('latin1')));
    plaintext.push(Buffer.from(cipher.output.getBytes(), 'latin1'));
    await budget.giveWay();
  }
  return Buffer.concat(plaintext);
}
