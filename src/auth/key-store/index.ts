import type { KeyObject, X509Certificate } from 'node:crypto';
import { systemClock } from '../../clock.js';
import { isConnectorError } from '../../errors.js';
import { Secret } from '../../settings/secret.js';
import type { KeyStoreType } from './formats.js';
import { chainOf, type Choice, select } from './select.js';
import type { StoreContents, StorePasswords } from './store-contents.js';
import { isPasswordWrong, passwordMissing, unreadable } from './store-errors.js';
import { readStoreFile } from './store-file.js';
import { contentsOf, type RecognisedContents } from './store-source.js';
import { proveKey, type KeyUse } from './validity.js';
import { WorkBudget } from './work-budget.js';

export type { KeyStoreType } from './formats.js';

/** What a certificate credential needs: a key that can sign, and the certificate registered for it. */
export interface KeyStoreEntry {
  /** An RSA key of 2048 bits or more (for TLS also an elliptic one). It has signed once, and the certificate verified it. */
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
  /** Sentences for the log, without secrets: which of several pairs was chosen, that it expires soon. */
  readonly notes: readonly string[];
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
  /** Ends the wait at once, and the work in it as far as it can be stopped. */
  readonly signal?: AbortSignal | undefined;
  /** The property that gave `store`, for the words of errors; OAuthJWTCert where absent. */
  readonly property?: string | undefined;
  /** What the key is for; default: a credential of Microsoft Entra ID, which takes RSA keys only. */
  readonly use?: KeyUse | undefined;
}

/**
 * The signing key of `store` with its certificate: the pair that `subject` names; of several the
 * one that is valid longest. Reads PKCS#12 (RFC 7292, 9579), PEM (RFC 7468, also with PKCS#7), JKS,
 * JCEKS and JWK (RFC 7517) of at most 1 MB.
 *
 * `store` is a path (types …FILE), the contents as base64 (types …BLOB; PEM and JWK also as plain
 * text, line breaks in PEM may be written as `\n`), or the contents as bytes. With AUTO, text that is
 * neither is taken as a path. An empty password counts as none. Key derivation never holds the event
 * loop up, and all of one store may take 10,000,000 iterations; what then runs outside of JavaScript
 * (some seconds at most) goes on after an abort, unheard.
 *
 * @throws ConnectorError (POSTGRESQL:SETTINGS) CERTIFICATE_TYPE_UNSUPPORTED, PROPERTY_FILE_UNREADABLE,
 *   CERTIFICATE_UNREADABLE, CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_PASSWORD_MISSING,
 *   CERTIFICATE_KEY_MISSING, CERTIFICATE_MISSING, CERTIFICATE_KEY_MISMATCH, CERTIFICATE_SUBJECT_NOT_FOUND,
 *   CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, CERTIFICATE_KEY_UNSUITABLE; the reason of `signal`
 */
export async function loadKeyStore(
  store: string | Buffer,
  options: KeyStoreOptions = {},
): Promise<KeyStoreEntry> {
  const { signal } = options;
  signal?.throwIfAborted();
  const loading = load(store, options, new WorkBudget(signal));
  return signal ? untilAborted(loading, signal) : loading;
}

async function load(
  store: string | Buffer,
  options: KeyStoreOptions,
  budget: WorkBudget,
): Promise<KeyStoreEntry> {
  const { type = 'AUTO', readFile = readStoreFile, now = () => systemClock.wallMs(), subject } = options;
  const contents = await contentsOf(store, type, readFile, options.property);
  const held = await readContents(contents, options, budget);
  const choice = await select(held, { subject, now: now(), use: options.use }, budget);
  await proveKey(choice.pair.privateKey, choice.pair.certificate);
  return entryOf(choice, held, budget);
}

function untilAborted<T>(loading: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
    void loading.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', leave);
    });
  });
}

/** `thumbprint`, hexadecimal digits, as the base64url text of `x5t` and `x5t#S256` (RFC 7515 section 4.1.7). */
export function thumbprintForJwt(thumbprint: string): string {
  return Buffer.from(thumbprint, 'hex').toString('base64url');
}

async function entryOf(
  { pair: { privateKey, certificate, alias }, notes }: Choice,
  held: StoreContents,
  budget: WorkBudget,
): Promise<KeyStoreEntry> {
  const certificates = held.certificates.map((stored) => stored.certificate);
  return {
    privateKey,
    certificate,
    chain: await chainOf(certificate, certificates, budget),
    ...(alias === undefined ? {} : { alias }),
    thumbprintSha1: certificate.fingerprint.replaceAll(':', ''),
    thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''),
    notes,
  };
}

async function readContents(
  contents: RecognisedContents,
  options: KeyStoreOptions,
  budget: WorkBudget,
): Promise<StoreContents> {
  const passwords: StorePasswords = {
    store: passwordOf(options.password),
    key: passwordOf(options.keyPassword),
  };
  try {
    const { read } = await contents.format.load();
    return await read(contents.bytes, passwords, budget);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isConnectorError(error)) throw unreadable('it is damaged', error);
    const given = passwords.store ?? passwords.key;
    throw isPasswordWrong(error) && !given ? passwordMissing() : error;
  }
}

function passwordOf(password: string | Secret | undefined): Secret | undefined {
  const secret = typeof password === 'string' ? new Secret(password) : password;
  return secret?.reveal() === '' ? undefined : secret;
}
