import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { ConnectorError } from '../../errors.js';
import { MATCH, matchSubject, subjectText } from './distinguished-name.js';
import type { StoreContents, StoredCertificate, StoredKey } from './store-contents.js';
import { unreadable } from './store-errors.js';
import { problemOf, validUntil } from './validity.js';

/** A private key with the certificate of its public half. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly certificate: X509Certificate;
  readonly alias?: string | undefined;
}

interface Selection {
  /** What OAuthJWTCertSubject says; absent, empty and `*` take every pair. */
  readonly subject?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * The pair of `contents` that `subject` asks for: by exact name, else by parts of it, else by a
 * piece of its text, else by alias. Of several the one that is valid longest.
 *
 * @throws ConnectorError CERTIFICATE_KEY_MISSING, CERTIFICATE_MISSING, CERTIFICATE_KEY_MISMATCH,
 *   CERTIFICATE_SUBJECT_NOT_FOUND, and what {@link problemOf} says when no pair can be used
 */
export function select(contents: StoreContents, { subject, now }: Selection): KeyPair {
  const matching = matchingPairs(pairUp(contents), subject);
  const byEnd = matching.toSorted((a, b) => validUntil(b.certificate) - validUntil(a.certificate));
  const problems = byEnd.map(({ certificate, privateKey }) => problemOf(certificate, privateKey, now));
  const usable = byEnd.find((_, index) => problems[index] === undefined);
  if (usable) return usable;
  throw problems[0] ?? unreadable('it holds nothing to use');
}

/** `leaf` and behind it, as far as `certificates` hold them, its issuers up to the root. */
export function chainOf(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  const rest = new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate]));
  for (let issued: X509Certificate | undefined = leaf; issued;) {
    rest.delete(issued.fingerprint256);
    issued = [...rest.values()].find((candidate) => isIssuer(candidate, chain));
    if (issued) chain.push(issued);
  }
  return chain;
}

// Certification authorities of one name may have several keys, so the signature decides.
function isIssuer(candidate: X509Certificate, chain: readonly X509Certificate[]): boolean {
  const issued = chain.at(-1);
  try {
    return issued !== undefined && issued.checkIssued(candidate) && issued.verify(candidate.publicKey);
  } catch {
    return false;
  }
}

function pairUp({ keys, certificates }: StoreContents): KeyPair[] {
  if (keys.length === 0) throw new ConnectorError('CERTIFICATE_KEY_MISSING', {});
  if (certificates.length === 0) throw new ConnectorError('CERTIFICATE_MISSING', {});
  const keyByPublicHalf = new Map(keys.map((key) => [publicHalf(createPublicKey(key.privateKey)), key]));
  const pairs = certificates.flatMap((stored) => {
    const key = keyByPublicHalf.get(publicHalfOf(stored.certificate));
    return key ? [pairOf(key, stored)] : [];
  });
  if (pairs.length === 0) throw new ConnectorError('CERTIFICATE_KEY_MISMATCH', {});
  return pairs;
}

function pairOf({ privateKey, alias }: StoredKey, stored: StoredCertificate): KeyPair {
  return { privateKey, certificate: stored.certificate, alias: alias ?? stored.alias };
}

function publicHalf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

// A certificate with a key of an unknown kind may stand in the chain; it just belongs to no key here.
function publicHalfOf(certificate: X509Certificate): string {
  try {
    return publicHalf(certificate.publicKey);
  } catch {
    return '';
  }
}

function matchingPairs(pairs: readonly KeyPair[], subject = '*'): readonly KeyPair[] {
  const wanted = subject.trim();
  if (wanted === '' || wanted === '*') return pairs;
  const matches = pairs.map((pair) => matchSubject(pair.certificate, wanted));
  for (const level of Object.values(MATCH)) {
    const found = pairs.filter((_, index) => matches[index] === level);
    if (found.length > 0) return found;
  }
  const named = pairs.filter(({ alias }) => alias?.toLowerCase() === wanted.toLowerCase());
  if (named.length > 0) return named;
  throw subjectNotFound(pairs);
}

function subjectNotFound(pairs: readonly KeyPair[]): ConnectorError {
  const subjects = pairs.map(({ certificate }) => subjectText(certificate)).join('; ');
  return new ConnectorError(
    'CERTIFICATE_SUBJECT_NOT_FOUND',
    { subjects },
    { properties: ['OAuthJWTCertSubject'] },
  );
}
