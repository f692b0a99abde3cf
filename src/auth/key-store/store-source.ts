import { X509Certificate } from 'node:crypto';
import { ConnectorError, isConnectorError } from '../../errors.js';
import { UNSUPPORTED_TYPES } from '../../settings/key-store-types.js';
import { FORMATS, type KeyStoreType, recognise, type StoreFormat } from './formats.js';
import { unreadable } from './store-errors.js';
import { MAX_STORE_BYTES } from './store-file.js';
import { decodeBase64, decodeText } from './text.js';
import { unsupportedContents } from './unsupported-contents.js';

/** The bytes of a store and the format they are in. */
export interface RecognisedContents {
  readonly bytes: Buffer;
  readonly format: StoreFormat;
}

/**
 * What `store` holds: it is a path, the contents as text or base64, or the bytes, as `type` says.
 *
 * @throws ConnectorError CERTIFICATE_TYPE_UNSUPPORTED, PROPERTY_FILE_UNREADABLE, CERTIFICATE_UNREADABLE,
 *   CERTIFICATE_KEY_MISSING for a bare certificate
 */
export async function contentsOf(
  store: string | Buffer,
  type: KeyStoreType,
  readFile: (path: string) => Promise<Buffer>,
  property = 'OAuthJWTCert',
): Promise<RecognisedContents> {
  checkType(type);
  checkSize(store);
  const bytes = await bytesOf(store, type, readFile).catch((error: unknown) => {
    throw fileUnreadable(error, property);
  });
  checkSize(bytes);
  const contents = recogniseContents(bytes) ?? refuse(bytes, type);
  if (!mayHold(type, contents.format)) {
    throw unreadable(`OAuthJWTCertType is ${type}, but it holds ${contents.format.name}`);
  }
  return contents;
}

function checkSize({ length }: string | Buffer): void {
  if (length > MAX_STORE_BYTES) throw unreadable('it is larger than 1 MB');
}

function checkType(type: KeyStoreType): void {
  if (FORMATS.some((format) => mayHold(type, format))) return;
  const known = new Map<string, string>(Object.entries(UNSUPPORTED_TYPES)).get(type);
  const problem = known === undefined ? `"${type}" is not a type of key store` : `${type} is ${known}`;
  throw new ConnectorError('CERTIFICATE_TYPE_UNSUPPORTED', { problem }, { properties: ['OAuthJWTCertType'] });
}

function mayHold(type: KeyStoreType, { file, blob, also = [] }: StoreFormat): boolean {
  return (['AUTO', file, blob, ...also] as readonly KeyStoreType[]).includes(type);
}

async function bytesOf(
  store: string | Buffer,
  type: KeyStoreType,
  readFile: (path: string) => Promise<Buffer>,
): Promise<Buffer> {
  if (typeof store !== 'string') return store;
  if (FORMATS.some(({ blob }) => blob === type)) return Buffer.from(store);
  if (type === 'AUTO' && isContents(Buffer.from(store))) return Buffer.from(store);
  return readFile(store);
}

// No cause: the message of the system quotes the path, which may be key material gone astray.
function fileUnreadable(error: unknown, property: string): ConnectorError {
  if (isConnectorError(error)) return error;
  const { code } = error as { readonly code?: unknown };
  const reason = typeof code === 'string' ? code : 'unknown reason';
  return new ConnectorError('PROPERTY_FILE_UNREADABLE', { property, reason }, { properties: [property] });
}

function isContents(bytes: Buffer): boolean {
  const known = (form: Buffer) => unsupportedContents(form) !== undefined || isCertificate(form);
  return recogniseContents(bytes) !== undefined || formsOf(bytes).some(known);
}

// Base64 is looked through wherever it is met: a PFX from Azure Key Vault is often saved that way.
function formsOf(bytes: Buffer): Buffer[] {
  const decoded = decodeBase64(decodeText(bytes));
  return decoded ? [bytes, decoded] : [bytes];
}

function recogniseContents(bytes: Buffer): RecognisedContents | undefined {
  for (const form of formsOf(bytes)) {
    const format = recognise(form);
    if (format) return { bytes: form, format };
  }
  return undefined;
}

function refuse(bytes: Buffer, type: KeyStoreType): never {
  for (const form of formsOf(bytes)) {
    if (isCertificate(form)) throw new ConnectorError('CERTIFICATE_KEY_MISSING', {});
    const problem = unsupportedContents(form);
    if (problem !== undefined) {
      throw new ConnectorError('CERTIFICATE_TYPE_UNSUPPORTED', { problem: `it is ${problem}` });
    }
  }
  const isBlob = FORMATS.some(({ blob }) => blob === type);
  if (isBlob && looksLikePath(bytes.toString('latin1')))
    throw unreadable(
      `OAuthJWTCertType is ${type}, but it looks like a path; use ${type.replace(/_?BLOB$/, (end) => end.replace('BLOB', 'FILE'))}`,
    );
  throw unreadable('it is none of PKCS#12, PEM, JKS, JCEKS, PKCS#7 and JWK, nor base64 of one');
}

function looksLikePath(text: string): boolean {
  return text.length < 260 && /[\\/]|\.\w{2,4}$/.test(text) && /^[^\r\n]+$/.test(text);
}

function isCertificate(contents: Buffer): boolean {
  try {
    return new X509Certificate(contents).serialNumber !== '';
  } catch {
    return false;
  }
}
