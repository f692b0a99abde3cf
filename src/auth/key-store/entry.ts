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

/** The entry that `options` ask for; stops its work at an abort where it can. Throws what `loadKeyStore` throws. */
export async function readEntry(store: string | Buffer, options: KeyStoreOptions): Promise<KeyStoreEntry> {
  const budget = new WorkBudget(options.signal);
  const { type = 'AUTO', readFile = readStoreFile, now = () => systemClock.wallMs(), subject } = options;
  const contents = await contentsOf(store, type, readFile, options.property);
  const held = await readContents(contents, options, budget);
  const choice = await select(held, { subject, now: now(), use: options.use }, budget);
  await proveKey(choice.pair.privateKey, choice.pair.certificate);
  return entryOf(choice, held, budget);
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
