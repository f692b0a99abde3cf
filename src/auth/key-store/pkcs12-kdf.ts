import { hash } from 'node:crypto';
import type { WorkBudget } from './work-budget.js';

/** The hash functions PKCS#12 is used with, by their names in node:crypto. */
export type HashName = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512' | 'sha512-256';

/** What the derived bytes are for (RFC 7292 appendix B.3). */
export const PURPOSE = { key: 1, iv: 2, mac: 3 } as const;

interface Pkcs12Derivation {
  readonly hash: HashName;
  /** The password as BMPString with its terminator, or no bytes at all. */
  readonly password: Buffer;
  readonly salt: Buffer;
  /** From 1. */
  readonly iterations: number;
  readonly purpose: (typeof PURPOSE)[keyof typeof PURPOSE];
  /** Bytes to derive. */
  readonly length: number;
}

/**
 * Key material by the key derivation of PKCS#12 (RFC 7292 appendix B.2; the letters are those of
 * the RFC). node:crypto has no such function, so it runs on the event loop, in turns.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE where `budget` does not allow it; the reason of its signal
 */
export async function derivePkcs12(
  { hash: algorithm, password, salt, iterations, purpose, length }: Pkcs12Derivation,
  budget: WorkBudget,
): Promise<Buffer> {
  const v = BLOCK_BYTES[algorithm];
  const D = Buffer.alloc(v, purpose);
  const I = Buffer.concat([repeated(salt, v), repeated(password, v)]);
  const parts: Buffer[] = [];
  for (let derived = 0; derived < length; derived += parts.at(-1)?.length ?? length) {
    const A = await budget.iterate(iterations, Buffer.concat([D, I]), (value) =>
      hash(algorithm, value, 'buffer'),
    );
    parts.push(A);
    addToBlocks(I, Buffer.alloc(v, A));
  }
  return Buffer.concat(parts).subarray(0, length);
}

const BLOCK_BYTES = {
  sha1: 64,
  sha224: 64,
  sha256: 64,
  sha384: 128,
  sha512: 128,
  'sha512-256': 128,
} as const satisfies Record<HashName, number>;

// Copies of `bytes`, the last one cut, up to a multiple of v; nothing where there are none.
function repeated(bytes: Buffer, v: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / v) * v, bytes);
}

// Every block of I becomes (block + B + 1) mod 2^(8v), as big-endian numbers.
function addToBlocks(I: Buffer, B: Buffer): void {
  for (let start = 0; start < I.length; start += B.length) {
    let carry = 1;
    for (let at = B.length - 1; at >= 0; at--) {
      const sum = (I[start + at] ?? 0) + (B[at] ?? 0) + carry;
      I[start + at] = sum;
      carry = sum >> 8;
    }
  }
}
