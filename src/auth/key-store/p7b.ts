import { X509Certificate } from 'node:crypto';
import { ContentInfo, id_signedData } from '@peculiar/asn1-cms';
import { parse, RawSequence, RawSet } from './asn1-structures.js';
import { checkCounts, readCertificate, type StoreContents, type StorePasswords } from './store-contents.js';
import { algorithmUnsupported } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/**
 * The certificates of a PKCS#7 file (SignedData, RFC 5652 section 5), in its order. It never holds a key.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE
 */
export async function read(
  contents: Buffer,
  _passwords: StorePasswords,
  budget: WorkBudget,
): Promise<StoreContents> {
  const { contentType, content } = parse(contents, ContentInfo);
  if (contentType !== id_signedData) throw algorithmUnsupported(`PKCS#7 of the type ${contentType}`);
  const members = certificateSet(content);
  checkCounts(0, members.length);
  // Attribute certificates bear other tags.
  const certificates = await budget.map(
    members.filter(([tag]) => tag === SEQUENCE),
    (der) => ({ certificate: readCertificate(() => new X509Certificate(der)) }),
  );
  return { keys: [], certificates };
}

const CERTIFICATES = 0xa0;
const SET = 0x31;
const SEQUENCE = 0x30;

// The members are taken as they are, never written anew: their signatures cover every byte.
function certificateSet(signedData: ArrayBuffer): Buffer[] {
  const fields = membersOf(parse(signedData, RawSequence));
  const field = fields.find(([tag]) => tag === CERTIFICATES);
  // An implicit [0] is a SET under another tag.
  return field ? membersOf(parse(Buffer.concat([Buffer.from([SET]), field.subarray(1)]), RawSet)) : [];
}

function membersOf(members: RawSequence | RawSet): Buffer[] {
  return [...members].map((member) => Buffer.from(member));
}
