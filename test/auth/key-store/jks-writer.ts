/** Java key stores that keytool does not write: with whatever entries, numbers and lengths. */
import { createHash, randomBytes } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';

export const MAGIC: Readonly<Record<'jks' | 'jceks', number>> = { jks: 0xfeedfeed, jceks: 0xcececece };

export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Text whose UTF-8 and modified UTF-8 are the same, or bytes as they are. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int(bytes.length).subarray(2), bytes]);
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([int(bytes.length), bytes]);
}

function certificate(der: Buffer): Buffer {
  return Buffer.concat([text('X.509'), sized(der)]);
}

export function trustedEntry(alias: string | Buffer, der: Buffer): Buffer {
  return Buffer.concat([int(2), text(alias), Buffer.alloc(8), certificate(der)]);
}

export function keyEntry(alias: string | Buffer, encryptedKey: Buffer, chain: readonly Buffer[]): Buffer {
  const head = [int(1), text(alias), Buffer.alloc(8), sized(encryptedKey), int(chain.length)];
  return Buffer.concat([...head, ...chain.map(certificate)]);
}

/** A store of `entries` that says it has `count` of them, with its digest under `password`. */
export function javaStore(
  entries: readonly Buffer[],
  password: string,
  { magic = MAGIC.jks, version = 2, count = entries.length } = {},
): Buffer {
  const body = Buffer.concat([int(magic), int(version), int(count), ...entries]);
  return Buffer.concat([body, digestOf(body, password)]);
}

/** `store` with its digest made anew, after something in it was changed. */
export function resealed(store: Buffer, password: string): Buffer {
  const body = store.subarray(0, -20);
  return Buffer.concat([body, digestOf(body, password)]);
}

function digestOf(body: Buffer, password: string): Buffer {
  return createHash('sha1').update(utf16(password)).update('Mighty Aphrodite').update(body).digest();
}

/** An EncryptedPrivateKeyInfo as sun.security.provider.KeyProtector makes it. */
export function protectedKey(pkcs8: Buffer, password: string): Buffer {
  const salt = randomBytes(20);
  const hidden = Buffer.from(pkcs8);
  let pad = salt;
  for (let at = 0; at < hidden.length; at += 20) {
    pad = createHash('sha1').update(utf16(password)).update(pad).digest();
    for (let byte = at; byte < Math.min(at + 20, hidden.length); byte++) hidden[byte]! ^= pad[byte - at]!;
  }
  const check = createHash('sha1').update(utf16(password)).update(pkcs8).digest();
  return encryptedKeyInfo('1.3.6.1.4.1.42.2.17.1.1', Buffer.concat([salt, hidden, check]));
}

/** An EncryptedPrivateKeyInfo of whatever algorithm. */
export function encryptedKeyInfo(algorithm: string, ciphertext: Buffer, parameters?: object): Buffer {
  const info = new EncryptedPrivateKeyInfo({
    encryptionAlgorithm: new AlgorithmIdentifier({
      algorithm,
      parameters: parameters ? AsnConvert.serialize(parameters) : null,
    }),
  });
  info.encryptedData.buffer = Uint8Array.from(ciphertext).buffer;
  return Buffer.from(AsnConvert.serialize(info));
}

function utf16(password: string): Buffer {
  return Buffer.from(password, 'utf16le').swap16();
}
