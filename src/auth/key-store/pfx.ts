import { createHmac, timingSafeEqual, X509Certificate } from 'node:crypto';
import { id_data, id_encryptedData, type ContentInfo, type EncryptedContent } from '@peculiar/asn1-cms';
import {
  AuthenticatedSafe,
  CertBag,
  id_certBag,
  id_keyBag,
  id_pkcs8ShroudedKeyBag,
  id_SafeContents,
  id_x509Certificate,
  type MacData,
  PFX,
  type SafeBag,
  SafeContents,
} from '@peculiar/asn1-pfx';
import { DirectoryString } from '@peculiar/asn1-x509';
import { ConnectorError } from '../../errors.js';
import { bounded, EncryptedData, parse, parseOctets } from './asn1-structures.js';
import { bytesOf, decrypt, MAX_ITERATIONS, nameOf } from './password-based-encryption.js';
import { type PasswordForm, passwordForms } from './password-forms.js';
import { derivePkcs12, type HashName, PURPOSE } from './pkcs12-kdf.js';
import { consume, firstThatOpens, readEncryptedPrivateKey, readPrivateKey } from './private-key-info.js';
import {
  checkCounts,
  readCertificate,
  type StoreContents,
  type StoredCertificate,
  type StoredKey,
  type StorePasswords,
} from './store-contents.js';
import { algorithmUnsupported, passwordWrong, unreadable } from './store-errors.js';

/**
 * Keys and certificates of a PKCS#12 store (RFC 7292; BER or DER) in the password integrity mode
 * or without a MAC. Bags of other kinds are passed over.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_UNREADABLE, CERTIFICATE_KEY_UNSUITABLE,
 *   CERTIFICATE_KEY_MISSING for a bare certificate
 */
export async function read(contents: Buffer, passwords: StorePasswords): Promise<StoreContents> {
  const { authSafe, macData } = parsePfx(contents);
  if (authSafe.contentType !== id_data) {
    throw algorithmUnsupported(`integrity by public key (${authSafe.contentType})`);
  }
  const content = parseOctets(authSafe.content);
  const storePassword = passwords.store?.reveal() ?? '';
  return firstThatOpens(passwordForms(storePassword), async (form) => {
    if (hasMac(macData)) await checkMac(macData, content, form);
    const keyPasswords = passwords.key ? passwordForms(passwords.key.reveal()) : [form];
    const { bags, encrypted } = await openSafes(content, form);
    const opened = await readBags(bags, keyPasswords);
    const unprotected =
      !hasMac(macData) && !encrypted && !bags.some(({ bagId }) => bagId === id_pkcs8ShroudedKeyBag);
    if (unprotected && storePassword !== '') throw passwordUnchecked();
    return opened;
  });
}

function parsePfx(contents: Buffer): PFX {
  try {
    return parse(contents, PFX);
  } catch (error) {
    if (isCertificate(contents)) throw new ConnectorError('CERTIFICATE_KEY_MISSING', {});
    throw error;
  }
}

function isCertificate(contents: Buffer): boolean {
  try {
    return new X509Certificate(contents).serialNumber !== '';
  } catch {
    return false;
  }
}

// Whoever gives a password expects it to be checked; a store that could have been swapped is not taken.
function passwordUnchecked(): ConnectorError {
  return unreadable(
    'a password is set, but the store is neither encrypted nor protected by a MAC; ' +
      'remove OAuthJWTCertPassword to use it as it is',
  );
}

const MAC_HASHES: ReadonlyMap<string, HashName> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.6', 'sha512-256'],
]);

// The library gives an empty MacData where there is none.
function hasMac({ mac }: MacData): boolean {
  return mac.digestAlgorithm.algorithm !== '';
}

// RFC 7292 section 5.1: HMAC over the content with a key derived from the password.
async function checkMac(
  { mac, macSalt, iterations }: MacData,
  content: Buffer,
  form: PasswordForm,
): Promise<void> {
  const { algorithm } = mac.digestAlgorithm;
  const hash = MAC_HASHES.get(algorithm);
  if (hash === undefined) throw algorithmUnsupported(nameOf(algorithm));
  const expected = bytesOf(mac.digest);
  const length = createHmac(hash, '').digest().length;
  const key = await derivePkcs12({
    hash,
    password: form.bmp,
    salt: bytesOf(macSalt),
    iterations: bounded(iterations, MAX_ITERATIONS, 'iteration count'),
    purpose: PURPOSE.mac,
    length,
  });
  const actual = createHmac(hash, key).update(content).digest();
  key.fill(0);
  if (expected.length !== length || !timingSafeEqual(actual, expected)) throw passwordWrong();
}

// Each may ask for a derivation of its own; usual are two.
const MAX_SAFES = 32;

interface OpenedSafes {
  readonly bags: readonly SafeBag[];
  readonly encrypted: boolean;
}

async function openSafes(content: Buffer, form: PasswordForm): Promise<OpenedSafes> {
  const safes = [...parse(content, AuthenticatedSafe)];
  if (safes.length > MAX_SAFES) throw unreadable(`it has more than ${MAX_SAFES} parts`);
  const bags: SafeBag[] = [];
  for (const safe of safes) bags.push(...flatten(await openSafe(safe, form)));
  return { bags, encrypted: safes.some(({ contentType }) => contentType === id_encryptedData) };
}

async function openSafe({ contentType, content }: ContentInfo, form: PasswordForm): Promise<SafeContents> {
  if (contentType === id_data) return parse(parseOctets(content), SafeContents);
  if (contentType !== id_encryptedData)
    throw algorithmUnsupported(`encryption to a public key (${contentType})`);
  const { encryptedContentInfo } = parse(content, EncryptedData);
  const { contentEncryptionAlgorithm, encryptedContent } = encryptedContentInfo;
  const plaintext = await decrypt(contentEncryptionAlgorithm, ciphertextOf(encryptedContent), form);
  return consume(plaintext, (bytes) => parse(bytes, SafeContents));
}

// In one piece, or in the segments of BER.
function ciphertextOf(content: EncryptedContent | undefined): Buffer {
  if (content?.constructedValue) return Buffer.concat(content.constructedValue.map(bytesOf));
  return content?.value ? bytesOf(content.value) : Buffer.alloc(0);
}

// A bag may be a SafeContents again (RFC 7292 section 4.2.6).
function flatten(safe: SafeContents, depth = 0): SafeBag[] {
  if (depth > MAX_NESTING) throw unreadable(`its bags are nested more than ${MAX_NESTING} deep`);
  return [...safe].flatMap((bag) =>
    bag.bagId === id_SafeContents ? flatten(parse(bag.bagValue, SafeContents), depth + 1) : [bag],
  );
}

const MAX_NESTING = 8;

async function readBags(
  bags: readonly SafeBag[],
  keyPasswords: readonly PasswordForm[],
): Promise<StoreContents> {
  const keyBags = bags.filter(({ bagId }) => bagId === id_keyBag || bagId === id_pkcs8ShroudedKeyBag);
  const certificateBags = bags.filter(({ bagId }) => bagId === id_certBag);
  checkCounts(keyBags.length, certificateBags.length);
  const keys: StoredKey[] = [];
  for (const bag of keyBags) keys.push(await readKeyBag(bag, keyPasswords));
  return { keys, certificates: certificateBags.flatMap(readCertificateBag) };
}

async function readKeyBag(bag: SafeBag, passwords: readonly PasswordForm[]): Promise<StoredKey> {
  const privateKey =
    bag.bagId === id_keyBag
      ? readPrivateKey(Buffer.from(bag.bagValue))
      : await readEncryptedPrivateKey(bag.bagValue, passwords);
  return { privateKey, alias: friendlyName(bag) };
}

function readCertificateBag(bag: SafeBag): StoredCertificate[] {
  const { certId, certValue } = parse(bag.bagValue, CertBag);
  if (certId !== id_x509Certificate) return [];
  return [
    {
      certificate: readCertificate(() => new X509Certificate(parseOctets(certValue))),
      alias: friendlyName(bag),
    },
  ];
}

const FRIENDLY_NAME = '1.2.840.113549.1.9.20';

// RFC 2985 section 5.5.1: a BMPString. A name that is something else is no reason to refuse the store.
function friendlyName({ bagAttributes = [] }: SafeBag): string | undefined {
  const value = bagAttributes.find(({ attrId }) => attrId === FRIENDLY_NAME)?.attrValues[0];
  try {
    return value && parse(value, DirectoryString).bmpString;
  } catch {
    return undefined;
  }
}
