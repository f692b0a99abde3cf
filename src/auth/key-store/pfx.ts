import { X509Certificate } from 'node:crypto';
import { id_data, id_encryptedData, type ContentInfo, type EncryptedContent } from '@peculiar/asn1-cms';
import {
  AuthenticatedSafe,
  CertBag,
  id_certBag,
  id_keyBag,
  id_pkcs8ShroudedKeyBag,
  id_SafeContents,
  id_x509Certificate,
  PFX,
  type SafeBag,
  SafeContents,
} from '@peculiar/asn1-pfx';
import { DirectoryString } from '@peculiar/asn1-x509';
import type { ConnectorError } from '../../errors.js';
import { bytesOf, EncryptedData, parse, parseOctets } from './asn1-structures.js';
import { decrypt } from './password-based-encryption.js';
import { type PasswordForm, passwordForms } from './password-forms.js';
import { checkMac, hasMac } from './pfx-mac.js';
import { consume, firstThatOpens, readEncryptedPrivateKey, readPrivateKey } from './private-key-info.js';
import {
  checkCounts,
  readCertificate,
  type StoreContents,
  type StoredCertificate,
  type StoredKey,
  type StorePasswords,
} from './store-contents.js';
import { algorithmUnsupported, unreadable } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/**
 * Keys and certificates of a PKCS#12 store (RFC 7292; BER or DER) in the password integrity mode
 * or without a MAC. Bags of other kinds are passed over.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_UNREADABLE, CERTIFICATE_KEY_UNSUITABLE
 */
export async function read(
  contents: Buffer,
  passwords: StorePasswords,
  budget: WorkBudget,
): Promise<StoreContents> {
  const { authSafe, macData } = parse(contents, PFX);
  if (authSafe.contentType !== id_data) {
    throw algorithmUnsupported(`integrity by public key (${authSafe.contentType})`);
  }
  const content = parseOctets(authSafe.content);
  const storePassword = passwords.store?.reveal() ?? '';
  return firstThatOpens(passwordForms(storePassword), async (form) => {
    if (hasMac(macData)) await checkMac(macData, content, form, budget);
    const keyPasswords = passwords.key ? passwordForms(passwords.key.reveal()) : [form];
    const { bags, encrypted } = await openSafes(content, form, budget);
    const opened = await readBags(bags, keyPasswords, budget);
    const unprotected =
      !hasMac(macData) && !encrypted && !bags.some(({ bagId }) => bagId === id_pkcs8ShroudedKeyBag);
    if (unprotected && storePassword !== '') throw passwordUnchecked();
    return opened;
  });
}

// Whoever gives a password expects it to be checked; a store that could have been swapped is not taken.
function passwordUnchecked(): ConnectorError {
  return unreadable(
    'a password is set, but the store is neither encrypted nor protected by a MAC; ' +
      'remove OAuthJWTCertPassword to use it as it is',
  );
}

// Each may ask for a derivation of its own; usual are two.
const MAX_SAFES = 32;

interface OpenedSafes {
  readonly bags: readonly SafeBag[];
  readonly encrypted: boolean;
}

async function openSafes(content: Buffer, form: PasswordForm, budget: WorkBudget): Promise<OpenedSafes> {
  const safes = [...parse(content, AuthenticatedSafe)];
  if (safes.length > MAX_SAFES) throw unreadable(`it has more than ${MAX_SAFES} parts`);
  const opened = await budget.map(safes, async (safe) => flatten(await openSafe(safe, form, budget)));
  return {
    bags: opened.flat(),
    encrypted: safes.some(({ contentType }) => contentType === id_encryptedData),
  };
}

async function openSafe(
  { contentType, content }: ContentInfo,
  form: PasswordForm,
  budget: WorkBudget,
): Promise<SafeContents> {
  if (contentType === id_data) return parse(parseOctets(content), SafeContents);
  if (contentType !== id_encryptedData)
    throw algorithmUnsupported(`encryption to a public key (${contentType})`);
  const { encryptedContentInfo } = parse(content, EncryptedData);
  const { contentEncryptionAlgorithm, encryptedContent } = encryptedContentInfo;
  const plaintext = await decrypt(contentEncryptionAlgorithm, ciphertextOf(encryptedContent), form, budget);
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
  budget: WorkBudget,
): Promise<StoreContents> {
  const keyBags = bags.filter(({ bagId }) => bagId === id_keyBag || bagId === id_pkcs8ShroudedKeyBag);
  const certificateBags = bags.filter(({ bagId }) => bagId === id_certBag);
  checkCounts(keyBags.length, certificateBags.length);
  const keys = await budget.map(keyBags, (bag) => readKeyBag(bag, keyPasswords, budget));
  const certificates = (await budget.map(certificateBags, readCertificateBag)).flat();
  return { keys, certificates };
}

async function readKeyBag(
  bag: SafeBag,
  passwords: readonly PasswordForm[],
  budget: WorkBudget,
): Promise<StoredKey> {
  const privateKey =
    bag.bagId === id_keyBag
      ? readPrivateKey(Buffer.from(bag.bagValue))
      : await readEncryptedPrivateKey(bag.bagValue, passwords, budget);
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
