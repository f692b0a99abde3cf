import { createHash, createPrivateKey, randomBytes } from 'node:crypto';
import { certificateParts, type IssuedCertificate } from './certificates.js';

/**
 * The binary form of Java's old key store (JKS, version 2), as `sun.security.provider.JavaKeyStore` reads it; made
 * here because starting keytool takes half a second.
 */

/** The object identifier of Sun's own key protection, 1.3.6.1.4.1.42.2.17.1.1, as an AlgorithmIdentifier with NULL (DER). */
const keyProtection = Buffer.from('300e060a2b060104012a021101010500', 'hex');

/** A key store with one entry: the private key and its chain, both under `password`. */
export const toJavaKeyStore = (certificate: IssuedCertificate, alias: string, password: string): Buffer => {
  const key = createPrivateKey(certificate.keyPem).export({ type: 'pkcs8', format: 'der' });
  const chain = certificateParts(certificate.pem + certificate.chainPem);
  const store = Buffer.concat([
    Buffer.from('feedfeed0000000200000001', 'hex'), // magic, version 2, one entry
    Buffer.from('00000001', 'hex'), // a private key
    text(alias.toLowerCase()),
    time(Date.now()),
    sized(der(0x30, Buffer.concat([keyProtection, der(0x04, protect(key, password))]))),
    count(chain.length),
    ...chain.flatMap((raw) => [text('X.509'), sized(raw)]),
  ]);
  const digest = sha1(utf16(password), Buffer.from('Mighty Aphrodite'), store);
  return Buffer.concat([store, digest]);
};

/** Salt, the key in the disguise of a chain of SHA-1 digests, and a digest of password and key. */
const protect = (key: Buffer, password: string): Buffer => {
  const secret = utf16(password);
  const salt = randomBytes(20);
  const disguised = Buffer.from(key);
  let mask: Buffer = salt;
  for (let offset = 0; offset < key.length; offset += mask.length) {
    mask = sha1(secret, mask);
    mask.subarray(0, key.length - offset).forEach((octet, index) => {
      disguised[offset + index] = (key[offset + index] ?? 0) ^ octet;
    });
  }
  return Buffer.concat([salt, disguised, sha1(secret, key)]);
};

const sha1 = (...parts: readonly Buffer[]): Buffer =>
  createHash('sha1').update(Buffer.concat(parts)).digest();

/** Java's chars: UTF-16, big end first. */
const utf16 = (characters: string): Buffer => Buffer.from(characters, 'utf16le').swap16();

const count = (value: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
};

const sized = (content: Buffer): Buffer => Buffer.concat([count(content.length), content]);

/** A text as DataOutput.writeUTF has it, for ASCII. */
const text = (characters: string): Buffer =>
  Buffer.concat([Buffer.of(characters.length >>> 8, characters.length & 0xff), Buffer.from(characters)]);

const time = (ms: number): Buffer => {
  const octets = Buffer.alloc(8);
  octets.writeBigInt64BE(BigInt(ms));
  return octets;
};

/** A DER element of 256 to 65,535 bytes; a private key's is always that long. */
const der = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.of(tag, 0x82, content.length >>> 8, content.length & 0xff), content]);
