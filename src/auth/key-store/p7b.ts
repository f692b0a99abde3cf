import { X509Certificate } from 'node:crypto';
import { ContentInfo, id_signedData } from '@peculiar/asn1-cms';
import { parse, RawSequence, RawSet } from './asn1-structures.js';
import { checkCounts, readCertificate, type StoreContents } from './store-contents.js';
import { algorithmUnsupported } from './store-errors.js';

/**
 * The certificates of a PKCS#7 file (SignedData, RFC 5652 section 5), in its order. It never holds a key.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE
 */
export async function read(contents: Buffer): Promise<StoreContents> {
  return { keys: [], certificates: certificatesOf(contents).map((certificate) => ({ certificate })) };
}

const CERTIFICATES = 0xa0;
const SET = 0x31;
const SEQUENCE = 0x30;

/** As {@link read}, for the bytes of a PKCS7 block in a PEM file. @throws ConnectorError CERTIFICATE_UNREADABLE */
export function certificatesOf(contents: Buffer): X509Certificate[] {
  const { contentType, content } = parse(contents, ContentInfo);
  if (contentType !== id_signedData) throw algorithmUnsupported(`PKCS#7 of the type ${contentType}`);
  const field = [...parse(content, RawSequence)].map(toBuffer).find(([tag]) => tag === CERTIFICATES);
  if (!field) return [];
  // An implicit [0] is a SET under another tag. Its members are taken as they are, never written anew.
  const members = [...parse(Buffer.concat([Buffer.from([SET]), field.subarray(1)]), RawSet)].map(toBuffer);
  checkCounts(0, members.length);
  // Attribute certificates bear other tags.
  const certificates = members.filter(([tag]) => tag === SEQUENCE);
  return certificates.map((der) => readCertificate(() => new X509Certificate(der)));
}

function toBuffer(bytes: ArrayBuffer | Uint8Array): Buffer {
  return Buffer.from(bytes as Uint8Array);
}
