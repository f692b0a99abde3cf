import type { KeyStoreEntry, KeyStoreOptions } from './entry.js';

export type { KeyStoreEntry, KeyStoreOptions } from './entry.js';
export type { KeyStoreType } from './formats.js';

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
  const loading = read(store, options);
  return signal ? untilAborted(loading, signal) : loading;
}

// Most logins need no key store, and reading one takes a dozen modules.
async function read(store: string | Buffer, options: KeyStoreOptions): Promise<KeyStoreEntry> {
  const { readEntry } = await import('./entry.js');
  return readEntry(store, options);
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
