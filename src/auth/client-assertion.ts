import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.js';
import { thumbprintForJwt, type KeyStoreEntry } from './key-store/index.js';

/** A certificate, and how an assertion names it. */
export interface AssertionSigner {
  readonly entry: KeyStoreEntry;
  readonly algorithm: 'PS256' | 'RS256';
  readonly sendChain: boolean;
}

/** Whom an assertion is from, about and for. */
export interface AssertionPurpose {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
  /** Milliseconds by which the authority's clock is ahead of ours, where that is known. */
  readonly offsetMs: number;
}

const ASSERTION_SECONDS = 600;

/**
 * An assertion (RFC 7523 sections 2 and 3) for one request, valid for ten minutes, with a `jti` of
 * its own. PS256 comes with the certificate's SHA-256 thumbprint as `x5t#S256`, RS256 with the SHA-1
 * one as `x5t` (RFC 7515 section 4.1): the two forms that Microsoft Entra ID documents.
 */
export async function signAssertion(
  { entry, algorithm, sendChain }: AssertionSigner,
  { issuer, subject, audience, offsetMs }: AssertionPurpose,
  clock: Clock,
): Promise<string> {
  const { SignJWT } = await import('jose');
  const now = Math.floor((clock.wallMs() + offsetMs) / 1_000);
  const thumbprint =
    algorithm === 'PS256'
      ? { 'x5t#S256': thumbprintForJwt(entry.thumbprintSha256) }
      : { x5t: thumbprintForJwt(entry.thumbprintSha1) };
  const chain = sendChain ? { x5c: entry.chain.map(({ raw }) => raw.toString('base64')) } : {};
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...thumbprint, ...chain })
    .setIssuer(issuer)
    .setSubject(subject)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .sign(entry.privateKey);
}
