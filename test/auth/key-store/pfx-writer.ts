/** PKCS#12 stores that no program at hand writes: made of the pieces of others. */
import { createHmac, pbkdf2Sync } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { ContentInfo, id_data } from '@peculiar/asn1-cms';
import {
  AuthenticatedSafe,
  CertBag,
  id_certBag,
  id_keyBag,
  id_pkcs8ShroudedKeyBag,
  id_SafeContents,
  id_x509Certificate,
  PFX,
  SafeBag,
  SafeContents,
} from '@peculiar/asn1-pfx';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { Pbkdf2Parameters, Pbmac1Parameters } from '#src/auth/key-store/asn1-structures.js';

/** A bag of a plain PKCS#8 key, or of an encrypted one. */
export function keyBag(pkcs8: Buffer, kind: 'plain' | 'encrypted' = 'plain'): SafeBag {
  const bagId = kind === 'plain' ? id_keyBag : id_pkcs8ShroudedKeyBag;
  return new SafeBag({ bagId, bagValue: exactBytes(pkcs8) });
}

export function certificateBag(der: Buffer): SafeBag {
  const bag = new CertBag({
    certId: id_x509Certificate,
    certValue: AsnConvert.serialize(new OctetString(exactBytes(der))),
  });
  return new SafeBag({ bagId: id_certBag, bagValue: AsnConvert.serialize(bag) });
}

/** `bags` inside of `depth` SafeContents bags. */
export function nested(bags: SafeBag[], depth: number): SafeBag[] {
  if (depth === 0) return bags;
  const bagValue = AsnConvert.serialize(new SafeContents(nested(bags, depth - 1)));
  return [new SafeBag({ bagId: id_SafeContents, bagValue })];
}

/** A store of `bags` without encryption and MAC. */
export function pfxOf(bags: SafeBag[]): Buffer {
  const safe = dataOf(AsnConvert.serialize(new SafeContents(bags)));
  const pfx = { version: 3, authSafe: dataOf(AsnConvert.serialize(new AuthenticatedSafe([safe]))) };
  return der(0x30, der(2, Buffer.from([pfx.version])), Buffer.from(AsnConvert.serialize(pfx.authSafe)));
}

function dataOf(content: ArrayBuffer): ContentInfo {
  return new ContentInfo({ contentType: id_data, content: AsnConvert.serialize(new OctetString(content)) });
}

/** `store` with its MAC changed by `change`. */
export function withMac(store: Buffer, change: (mac: PFX['macData']) => void): Buffer {
  const pfx = AsnConvert.parse(store, PFX);
  change(pfx.macData);
  return Buffer.from(AsnConvert.serialize(pfx));
}

const HMACS = { sha1: 7, sha224: 8, sha256: 9, sha384: 10, sha512: 11, 'sha512-256': 13 } as const;

interface Pbmac1Options {
  readonly hash?: keyof typeof HMACS;
  readonly keyLength?: number;
  /** Of the MAC, how many are written. */
  readonly macBytes?: number;
  /** Object identifiers. */
  readonly derivation?: string;
  readonly scheme?: string;
}

/** `store` with a PBMAC1 (RFC 9579) instead of its MAC. */
export function withPbmac1(store: Buffer, password: string, options: Pbmac1Options): Buffer {
  const { hash = 'sha256', keyLength = 32, macBytes = 64, derivation = '1.2.840.113549.1.5.12' } = options;
  const { scheme = `1.2.840.113549.2.${HMACS[hash]}` } = options;
  const salt = Buffer.from('saltsalt');
  const algorithm = new AlgorithmIdentifier({ algorithm: `1.2.840.113549.2.${HMACS[hash]}` });
  const pbkdf2 = Object.assign(new Pbkdf2Parameters(), {
    salt: new OctetString(exactBytes(salt)),
    iterationCount: 2,
    keyLength,
    prf: algorithm,
  });
  const parameters = Object.assign(new Pbmac1Parameters(), {
    keyDerivationFunc: new AlgorithmIdentifier({
      algorithm: derivation,
      parameters: AsnConvert.serialize(pbkdf2),
    }),
    messageAuthScheme: new AlgorithmIdentifier({ algorithm: scheme }),
  });
  const pfx = AsnConvert.parse(store, PFX);
  const content = Buffer.from(AsnConvert.parse(pfx.authSafe.content, OctetString).buffer);
  const key = pbkdf2Sync(password, salt, 2, Math.max(1, Math.min(keyLength, 64)), hash);
  const mac = createHmac(hash, key).update(content).digest().subarray(0, macBytes);
  return withMac(store, (macData) => {
    macData.mac.digestAlgorithm = new AlgorithmIdentifier({
      algorithm: '1.2.840.113549.1.5.14',
      parameters: AsnConvert.serialize(parameters),
    });
    macData.mac.digest = new OctetString(exactBytes(mac));
  });
}

/**
 * `store` with its outer layers in the indefinite form of BER and its content in segments of
 * `segmentBytes`, `levels` of segmentation deep.
 */
export function asBer(store: Buffer, segmentBytes: number, levels = 1): Buffer {
  const pfx = AsnConvert.parse(store, PFX);
  const content = Buffer.from(AsnConvert.parse(pfx.authSafe.content, OctetString).buffer);
  const authSafe = indefinite(0x30, oid(id_data), indefinite(0xa0, segmented(content, segmentBytes, levels)));
  const mac = Buffer.from(AsnConvert.serialize(pfx.macData));
  return indefinite(0x30, der(2, Buffer.from([3])), authSafe, mac);
}

/** `store`, which must have no MAC, with every constructed value indefinite and every long string in segments. */
export function asBerThroughout(store: Buffer): Buffer {
  const pfx = AsnConvert.parse(store, PFX);
  const content = Buffer.from(AsnConvert.parse(pfx.authSafe.content, OctetString).buffer);
  const [safes = Buffer.alloc(0)] = toBer(content);
  const authSafe = indefinite(0x30, oid(id_data), indefinite(0xa0, segmented(safes, 500, 1)));
  return indefinite(0x30, der(2, Buffer.from([3])), authSafe);
}

function toBer(values: Buffer): Buffer[] {
  const converted: Buffer[] = [];
  for (let at = 0; at < values.length;) {
    const tag = values[at] ?? 0;
    const short = values[at + 1] ?? 0;
    const lengthBytes = short < 0x80 ? 0 : short - 0x80;
    const start = at + 2 + lengthBytes;
    const end = start + (lengthBytes === 0 ? short : values.readUIntBE(at + 2, lengthBytes));
    const content = values.subarray(start, end);
    if ((tag & 0x20) !== 0) converted.push(indefinite(tag, ...toBer(content)));
    else if (tag === 0x80)
      converted.push(indefinite(0xa0, ...segmentsOf(content, 300).map((part) => der(4, part))));
    else if (tag === 4 && content.length > 64) converted.push(segmented(content, 200, 1));
    else converted.push(values.subarray(at, end));
    at = end;
  }
  return converted;
}

function segmented(bytes: Buffer, segmentBytes: number, levels: number): Buffer {
  if (levels === 0) return der(4, bytes);
  const smaller = Math.ceil(segmentBytes / 3);
  return indefinite(
    0x24,
    ...segmentsOf(bytes, segmentBytes).map((part) => segmented(part, smaller, levels - 1)),
  );
}

function segmentsOf(bytes: Buffer, segmentBytes: number): Buffer[] {
  const segments: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += segmentBytes)
    segments.push(bytes.subarray(at, at + segmentBytes));
  return segments;
}

/** `contents` behind `tag` and a definite length. */
function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const head = content.length < 128 ? [tag, content.length] : [tag, 0x84, ...length];
  return Buffer.concat([Buffer.from(head), content]);
}

/** `contents` behind `tag` and an indefinite length. */
function indefinite(tag: number, ...contents: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([tag, 0x80]), ...contents, Buffer.from([0, 0])]);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const digits = [first * 40 + second, ...rest].flatMap((arc) => {
    const bytes = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) bytes.unshift((left & 0x7f) | 0x80);
    return bytes;
  });
  return der(6, Buffer.from(digits));
}

function exactBytes(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
