import { type KeyObject, randomBytes, sign, verify, type X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { ConnectorError } from '../../errors.js';
import { subjectText } from './distinguished-name.js';
import { unreadable } from './store-errors.js';

/** The smallest RSA modulus that Microsoft Entra ID takes, in bits. */
const MIN_RSA_BITS = 2048;

/** The largest that OpenSSL verifies; signing with one of a million bits would take for ever. */
const MAX_RSA_BITS = 16_384;

/** The end of the validity of `certificate`, in milliseconds since 1970. */
export function validUntil({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

/** What a key is for: Microsoft Entra ID takes RSA only, TLS every kind that Node.js knows for it. */
export type KeyUse = 'entra' | 'tls';

/**
 * Why `certificate` cannot be used at `now` (milliseconds since 1970), or undefined where it can:
 * CERTIFICATE_KEY_UNSUITABLE, CERTIFICATE_EXPIRED or CERTIFICATE_NOT_YET_VALID.
 */
export function problemOf(
  certificate: X509Certificate,
  key: KeyObject,
  now: number,
  use: KeyUse = 'entra',
): ConnectorError | undefined {
  const problem = keyProblem(key, use);
  if (problem !== undefined) return new ConnectorError('CERTIFICATE_KEY_UNSUITABLE', { problem });
  const subject = subjectText(certificate);
  // Written this way round, a date that cannot be parsed is refused as well.
  if (!(validUntil(certificate) >= now)) {
    return new ConnectorError('CERTIFICATE_EXPIRED', { subject, validTo: isoDate(certificate.validTo) });
  }
  if (!(Date.parse(certificate.validFrom) <= now)) {
    return new ConnectorError('CERTIFICATE_NOT_YET_VALID', {
      subject,
      validFrom: isoDate(certificate.validFrom),
    });
  }
  return undefined;
}

/** Kinds of key beside RSA that certificates for TLS have (RFC 8422, RFC 8446 section 4.2.3). */
const OTHER_TLS_KEYS = ['ec', 'ed25519', 'ed448', 'rsa-pss'];

function keyProblem({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, use: KeyUse): string | undefined {
  if (use === 'tls' && OTHER_TLS_KEYS.includes(asymmetricKeyType ?? '')) return undefined;
  if (asymmetricKeyType !== 'rsa') {
    const curve = asymmetricKeyDetails?.namedCurve;
    return `it is of type ${asymmetricKeyType ?? 'unknown'}${curve === undefined ? '' : ` (${curve})`}, not RSA`;
  }
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS) return `its RSA key has ${bits} bits only`;
  return bits > MAX_RSA_BITS ? `its RSA key has ${bits} bits, more than ${MAX_RSA_BITS}` : undefined;
}

function isoDate(text: string): string {
  const time = Date.parse(text);
  return Number.isNaN(time) ? text : new Date(time).toISOString();
}

/**
 * Settles when `key` has signed something that `certificate` verifies: equal public halves say
 * nothing about the private half, which a flipped bit may have changed.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE
 */
export async function proveKey(key: KeyObject, certificate: X509Certificate): Promise<void> {
  const message = randomBytes(32);
  // The digest belongs to the algorithm there (RFC 8032).
  const digest = key.asymmetricKeyType?.startsWith('ed') ? null : 'sha256';
  const signature = await promisify(sign)(digest, message, key).catch(() => undefined);
  if (!signature || !verify(digest, message, certificate.publicKey, signature)) {
    throw unreadable('its private key is damaged');
  }
}
