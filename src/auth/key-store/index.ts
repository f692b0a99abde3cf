import type { KeyObject, X509Certificate } from 'node:crypto';
import { systemClock } from '../../clock.js';
import { ConnectorError, isConnectorError } from '../../errors.js';
import { Secret } from '../../settings/secret.js';
import { FORMATS, type KeyStoreType, recognise, type SupportedFormat } from './formats.js';
import { chainOf, type KeyPair, select } from './select.js';
import type { StoreContents, StorePasswords } from './store-contents.js';
import { isPasswordWrong, passwordMissing, unreadable } from './store-errors.js';
import { MAX_STORE_BYTES, readStoreFile } from './store-file.js';
import { decodeBase64, decodeText } from './text.js';
import { unsupportedContents, UNSUPPORTED_TYPES } from './unsupported-types.js';
import { proveKey } from './validity.js';

export type { KeyStoreType } from './formats.js';

/** What a certificate credential needs: a key that can sign, and the certificate registered for it. */
export interface KeyStoreEntry {
  /** An RSA key of 2048 bits or more. It has signed once, and the certificate verified it. */
  readonly privateKey: KeyObject;
  /** The certificate of that key, valid when it was loaded. */
  readonly certificate: X509Certificate;
  /** The certificate and its issuers as far as the store holds them, leaf first: `x5c` of RFC 7515. */
  readonly chain: readonly X509Certificate[];
  /** The name the store gives the entry. */
  readonly alias?: string;
  /** SHA-1 of the certificate in upper-case hexadecimal digits, as the Azure portal shows it. */
  readonly thumbprintSha1: string;
  /** SHA-256 of the certificate in upper-case hexadecimal digits. */
  readonly thumbprintSha256: string;
}

export interface KeyStoreOptions {
  /** What `store` is (CData's OAuthJWTCertType). Default: AUTO, decided by the contents. */
  readonly type?: KeyStoreType | undefined;
  readonly password?: string | Secret | undefined;
  /** Where the key has another password than the store. */
  readonly keyPassword?: string | Secret | undefined;
  /** Which pair of a store with several: a subject, a part of one, an alias, or `*` (default). */
  readonly subject?: string | undefined;
  /** Gives the bytes of a file; its errors are told by their `code`. */
  readonly readFile?: ((path: string) => Promise<Buffer>) | undefined;
  /** Milliseconds since 1970; default: the clock of the machine. */
  readonly now?: (() => number) | undefined;
}

/**
 * The signing key of `store` with its certificate: the pair that `subject` names; of several the
 * one that is valid longest. Reads PEM (RFC 7468) and PKCS#12 (RFC 7292) of at most 1 MB.
 *
 * `store` is a path (types …FILE), the contents as base64 (types …BLOB; for PEM also as plain text,
 * whose line breaks may be written as `\n`), or the contents as bytes. With AUTO, text that is
 * neither is taken as a path. An empty password counts as none. Key derivation never holds the event
 * loop up.
 *
 * @throws ConnectorError (POSTGRESQL:SETTINGS) CERTIFICATE_TYPE_UNSUPPORTED, PROPERTY_FILE_UNREADABLE,
 *   CERTIFICATE_UNREADABLE, CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_PASSWORD_MISSING,
 *   CERTIFICATE_KEY_MISSING, CERTIFICATE_MISSING, CERTIFICATE_KEY_MISMATCH, CERTIFICATE_SUBJECT_NOT_FOUND,
 *   CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, CERTIFICATE_KEY_UNSUITABLE
 */
export async function loadKeyStore(
  store: string | Buffer,
  options: KeyStoreOptions = {},
): Promise<KeyStoreEntry> {
  const { now = () => systemClock.wallMs(), subject } = options;
  const contents = await contentsOf(store, options);
  const held = await readContents(contents, options);
  const pair = select(held, { subject, now: now() });
  await proveKey(pair.privateKey, pair.certificate);
  return entryOf(pair, held);
}

/** `thumbprint`, hexadecimal digits, as the base64url text of `x5t` and `x5t#S256` (RFC 7515 section 4.1.7). */
export function thumbprintForJwt(thumbprint: string): string {
  return Buffer.from(thumbprint, 'hex').toString('base64url');
}

function entryOf({ privateKey, certificate, alias }: KeyPair, held: StoreContents): KeyStoreEntry {
  return {
    privateKey,
    certificate,
    chain: chainOf(
      certificate,
      held.certificates.map((stored) => stored.certificate),
    ),
    ...(alias === undefined ? {} : { alias }),
    thumbprintSha1: certificate.fingerprint.replaceAll(':', ''),
    thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''),
  };
}

/** The bytes of a store and the format they are in. */
interface RecognisedContents {
  readonly bytes: Buffer;
  readonly format: SupportedFormat;
}

async function contentsOf(store: string | Buffer, options: KeyStoreOptions): Promise<RecognisedContents> {
  const { type = 'AUTO', readFile = readStoreFile } = options;
  const expected = expectedFormat(type);
  checkSize(store);
  const bytes = await bytesOf(store, type, readFile);
  checkSize(bytes);
  const contents = recogniseContents(bytes) ?? refuse(bytes);
  if (expected && contents.format !== expected) {
    throw unreadable(`OAuthJWTCertType is ${type}, but it holds ${contents.format.name}`);
  }
  return contents;
}

function checkSize({ length }: string | Buffer): void {
  if (length > MAX_STORE_BYTES) throw unreadable('it is larger than 1 MB');
}

// Undefined for AUTO, where any will do.
function expectedFormat(type: KeyStoreType): SupportedFormat | undefined {
  if (type === 'AUTO') return undefined;
  const format = FORMATS.find(({ file, blob }) => type === file || type === blob);
  if (format) return format;
  const known = new Map(Object.entries(UNSUPPORTED_TYPES)).get(type);
  const problem = known === undefined ? `"${type}" is not a type of key store` : `${type} is ${known}`;
  throw new ConnectorError('CERTIFICATE_TYPE_UNSUPPORTED', { problem }, { properties: ['OAuthJWTCertType'] });
}

async function bytesOf(
  store: string | Buffer,
  type: KeyStoreType,
  readFile: (path: string) => Promise<Buffer>,
): Promise<Buffer> {
  if (typeof store !== 'string') return store;
  if (FORMATS.some(({ blob }) => blob === type)) return Buffer.from(store);
  if (type === 'AUTO' && isContents(Buffer.from(store))) return Buffer.from(store);
  try {
    return await readFile(store);
  } catch (error) {
    throw fileUnreadable(error);
  }
}

// No cause: the message of the system quotes the path, which may be key material gone astray.
function fileUnreadable(error: unknown): ConnectorError {
  if (isConnectorError(error)) return error;
  const { code } = error as { readonly code?: unknown };
  const reason = typeof code === 'string' ? code : 'unknown reason';
  const property = 'OAuthJWTCert';
  return new ConnectorError('PROPERTY_FILE_UNREADABLE', { property, reason }, { properties: [property] });
}

function isContents(bytes: Buffer): boolean {
  return recogniseContents(bytes) !== undefined || unsupportedContents(unwrap(bytes)) !== undefined;
}

// Base64 is looked through wherever it is met: a PFX from Azure Key Vault is often saved that way.
function recogniseContents(bytes: Buffer): RecognisedContents | undefined {
  for (const candidate of [bytes, unwrap(bytes)]) {
    const format = recognise(candidate);
    if (format) return { bytes: candidate, format };
  }
  return undefined;
}

function unwrap(bytes: Buffer): Buffer {
  return decodeBase64(decodeText(bytes)) ?? bytes;
}

function refuse(bytes: Buffer): never {
  const problem = unsupportedContents(unwrap(bytes));
  if (problem !== undefined) {
    throw new ConnectorError('CERTIFICATE_TYPE_UNSUPPORTED', { problem: `it is ${problem}` });
  }
  throw unreadable('it is neither PKCS#12 nor PEM, nor base64 of either');
}

async function readContents(contents: RecognisedContents, options: KeyStoreOptions): Promise<StoreContents> {
  const passwords: StorePasswords = {
    store: passwordOf(options.password),
    key: passwordOf(options.keyPassword),
  };
  try {
    const { read } = await contents.format.load();
    return await read(contents.bytes, passwords);
  } catch (error) {
    if (!isConnectorError(error)) throw unreadable('it is damaged', error);
    const given = passwords.store ?? passwords.key;
    throw isPasswordWrong(error) && !given ? passwordMissing() : error;
  }
}

function passwordOf(password: string | Secret | undefined): Secret | undefined {
  const secret = typeof password === 'string' ? new Secret(password) : password;
  return secret?.reveal() === '' ? undefined : secret;
}
