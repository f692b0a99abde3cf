import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Clock } from '../clock.js';
import type { Secret } from '../settings/secret.js';
import type { CredentialSettings } from '../settings/settings.js';
import { loadKeyStore, thumbprintForJwt, type KeyStoreEntry, type KeyStoreType } from './key-store/index.js';

/** What proves the application at the token endpoint. */
export type Credential =
  | { readonly kind: 'secret'; readonly secret: Secret }
  | { readonly kind: 'certificate'; readonly entry: KeyStoreEntry };

/**
 * The credential that `settings` describe. A certificate store is read anew at each call, so a
 * replaced file is used from the next token on.
 *
 * @throws ConnectorError of type POSTGRESQL:SETTINGS (codes CERTIFICATE_…, PROPERTY_FILE_UNREADABLE)
 */
export async function loadCredential(settings: CredentialSettings, clock: Clock): Promise<Credential> {
  if (settings.kind === 'secret') return settings;
  const { store, type, password, subject } = settings;
  const now = (): number => clock.wallMs();
  return {
    kind: 'certificate',
    entry: await loadKeyStore(store.reveal(), { type: type as KeyStoreType, password, subject, now }),
  };
}

/** Whom an assertion is from and for. */
export interface AssertionPurpose {
  readonly clientId: string;
  readonly tokenEndpoint: string;
}

const ASSERTION_SECONDS = 600;

/**
 * A client assertion (RFC 7523 section 3) for one request: PS256 with the certificate's SHA-256
 * thumbprint as `x5t#S256`, valid for ten minutes, with a `jti` of its own.
 */
export async function signAssertion(
  entry: KeyStoreEntry,
  purpose: AssertionPurpose,
  clock: Clock,
): Promise<string> {
  const { clientId, tokenEndpoint } = purpose;
  const now = Math.floor(clock.wallMs() / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprintForJwt(entry.thumbprintSha256) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(tokenEndpoint)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .sign(entry.privateKey);
}
