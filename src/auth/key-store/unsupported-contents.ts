import { UNSUPPORTED_TYPES } from '../../settings/key-store-types.js';
import { opensWith } from './asn1-signature.js';
import { decodeText } from './text.js';

const { PPKFILE, XMLFILE, SSHPUBLIC_KEY_FILE, PUBLIC_KEY_FILE, BCFKSFILE, BKS } = UNSUPPORTED_TYPES;
const BARE_KEY =
  'a private key without its certificate; convert it with "openssl pkey -inform DER -in key.der -out key.pem", ' +
  'add the certificate to that file and use PEMKEY_FILE';
const REQUEST =
  'a request for a certificate; put the certificate issued for it and the private key into a PEM file and use PEMKEY_FILE';
const MICROSOFT_KEY =
  'a Microsoft key blob without a certificate; convert it with "openssl rsa -inform MSBLOB -in key.bin -out key.pem" ' +
  '(or -inform PVK), add the certificate to that file and use PEMKEY_FILE';
const REVOCATIONS =
  'a list of revoked certificates, not one with its private key; use PFXFILE or PEMKEY_FILE';
const MESSAGE = 'an encrypted or otherwise wrapped message (CMS), not a store; use PFXFILE or PEMKEY_FILE';

// Object identifiers in DER.
const ID_RSA = '06092a864886f70d010101';
const ID_EC = '06072a8648ce3d0201';
const ID_PBES2 = '06092a864886f70d01050d';
const ID_PKCS5 = '06092a864886f70d0105';
const ID_PKCS7 = '06092a864886f70d0107';
const ID_PKCS12_PBE = '060a2a864886f70d010c01';

type Test = (contents: Buffer) => boolean;
const text =
  (pattern: RegExp): Test =>
  (contents) =>
    pattern.test(decodeText(contents.subarray(0, 4096)));
const der =
  (depth: number, ...starts: readonly string[]): Test =>
  (contents) =>
    starts.some((start) => opensWith(contents, depth, start));
// A version, the length of a salt of 20 bytes, the salt and a count: both kinds start like that.
const isBouncyCastle: Test = (contents) => /^0000000[012]00000014$/.test(contents.toString('hex', 0, 8));
// PUBLICKEYBLOB, PRIVATEKEYBLOB, and the file of a private key.
const isMicrosoftKey: Test = (contents) =>
  /^(?:06020000|07020000|1ef1b5b0)/.test(contents.toString('hex', 0, 4));

/** Signatures of what is known and cannot be read or cannot sign, with what to say of it. */
const SIGNATURES: readonly (readonly [Test, description: string])[] = [
  [text(/^\s*PuTTY-User-Key-File-/), PPKFILE],
  [text(/^\s*(?:<\?xml[^>]*>\s*)?<RSAKeyValue\b/), XMLFILE],
  [
    text(/^\s*(?:(?:ssh|sk-ssh|sk-ecdsa|ecdsa)-\S{1,60} AAAA|---- BEGIN SSH2 PUBLIC KEY)/),
    SSHPUBLIC_KEY_FILE,
  ],
  [isBouncyCastle, BKS],
  [isMicrosoftKey, MICROSOFT_KEY],
  [der(1, ID_PKCS7), MESSAGE],
  [der(3, ID_PBES2), BCFKSFILE],
  [der(2, ID_PKCS5, ID_PKCS12_PBE), BARE_KEY],
  [der(2, ID_RSA, ID_EC), PUBLIC_KEY_FILE],
  [der(2, '02010030'), REQUEST],
  [der(2, '02010130'), REVOCATIONS],
  // PKCS#8, PKCS#1 and SEC1 in this order.
  [der(1, '02010030', '02010130', '02010002', '02010104'), BARE_KEY],
  // A modulus of 2048 bits or more.
  [der(1, '028201', '028202', '028204'), PUBLIC_KEY_FILE],
];

/** What `contents` are, with what to use instead, where they are of a known kind that cannot be read. */
export function unsupportedContents(contents: Buffer): string | undefined {
  return SIGNATURES.find(([matches]) => matches(contents))?.[1];
}
