import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { ConnectorError } from '../../errors.js';
import { MATCH, matchSubject, subjectText } from './distinguished-name.js';
import type { StoreContents, StoredCertificate, StoredKey } from './store-contents.js';
import { passwordWrong, unreadable } from './store-errors.js';
import { problemOf, validUntil, type KeyUse } from './validity.js';
import type { WorkBudget } from './work-budget.js';

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
  readonly use?: KeyUse | undefined;
}

/** The pair to use, with what the log should say about the choice. */
export interface Choice {
  readonly pair: KeyPair;
  readonly notes: readonly string[];
}

/**
 * The pair of `contents` that `subject` asks for: by exact name, else by parts of it, else by a
 * piece of its text, else by alias. Of several the one that is valid longest, which a note says.
 *
 * @throws ConnectorError CERTIFICATE_KEY_MISSING, CERTIFICATE_MISSING, CERTIFICATE_KEY_MISMATCH,
 *   CERTIFICATE_SUBJECT_NOT_FOUND, CERTIFICATE_PASSWORD_WRONG where only a locked key matches, and
 *   what {@link problemOf} says when no pair can be used
 */
export async function select(
  contents: StoreContents,
  { subject, now, use }: Selection,
  budget: WorkBudget,
): Promise<Choice> {
  const { locked = [] } = contents;
  const entries = [...(await pairUp(contents, budget)), ...locked];
  const matching = await matchesOf<KeyPair | StoredCertificate>(entries, subject, budget);
  const pairs = matching.filter((match) => 'privateKey' in match);
  if (pairs.length === 0) throw passwordWrong();
  const byEnd = pairs.toSorted((a, b) => validUntil(b.certificate) - validUntil(a.certificate));
  const problems = byEnd.map(({ certificate, privateKey }) => problemOf(certificate, privateKey, now, use));
  const pair = byEnd.find((_, index) => problems[index] === undefined);
  if (!pair) throw problems[0] ?? unreadable('it holds nothing to use');
  return { pair, notes: notesOn(pair, pairs.length, matching.length - pairs.length, now) };
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

function notesOn({ certificate }: KeyPair, pairs: number, locked: number, now: number): string[] {
  const name = subjectText(certificate);
  const thumbprint = certificate.fingerprint256.replaceAll(':', '');
  const end = validUntil(certificate);
  return [
    pairs > 1 &&
      `${pairs} key pairs match OAuthJWTCertSubject; of the usable ones, the one valid longest is used: ${name}, SHA-256 thumbprint ${thumbprint}`,
    locked > 0 &&
      `${locked} more matching ${locked === 1 ? 'entry has a key' : 'entries have keys'} that the given password does not open`,
    end - now < SOON_DAYS * DAY_MS &&
      `the certificate ${name} expires soon, on ${new Date(end).toISOString()}`,
  ].filter((note) => note !== false);
}

// Chains of certification authorities are short; a longer one would only cost time to verify.
const MAX_CHAIN = 10;

/** `leaf` and behind it, as far as `certificates` hold them, its issuers up to the root: at most ten. */
export async function chainOf(
  leaf: X509Certificate,
  certificates: readonly X509Certificate[],
  budget: WorkBudget,
): Promise<X509Certificate[]> {
  const chain = [leaf];
  const rest = new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate]));
  for (let issued: X509Certificate | undefined = leaf; issued && chain.length < MAX_CHAIN;) {
    rest.delete(issued.fingerprint256);
    issued = await issuerAmong([...rest.values()], issued, budget);
    if (issued) chain.push(issued);
  }
  return chain;
}

async function issuerAmong(
  candidates: readonly X509Certificate[],
  issued: X509Certificate,
  budget: WorkBudget,
): Promise<X509Certificate | undefined> {
  for (const candidate of candidates) {
    if (!issued.checkIssued(candidate)) continue;
    await budget.giveWay();
    if (isSignedBy(issued, candidate)) return candidate;
  }
  return undefined;
}

// Certification authorities of one name may have several keys, so the signature decides.
function isSignedBy(issued: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issued.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

async function pairUp({ keys, certificates }: StoreContents, budget: WorkBudget): Promise<KeyPair[]> {
  if (keys.length === 0) throw new ConnectorError('CERTIFICATE_KEY_MISSING', {});
  if (certificates.length === 0) throw new ConnectorError('CERTIFICATE_MISSING', {});
  const keyByPublicHalf = new Map(keys.map((key) => [publicHalf(createPublicKey(key.privateKey)), key]));
  const found = await budget.map(certificates, (stored) => {
    const key = keyByPublicHalf.get(publicHalfOf(stored.certificate));
    return key ? [pairOf(key, stored)] : [];
  });
  const pairs = found.flat();
  if (pairs.length === 0) throw new ConnectorError('CERTIFICATE_KEY_MISMATCH', {});
  // A certificate may stand in a store more than once.
  return [...new Map(pairs.map((pair) => [pair.certificate.fingerprint256, pair])).values()];
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

interface Named {
  readonly certificate: X509Certificate;
  readonly alias?: string | undefined;
}

async function matchesOf<T extends Named>(
  entries: readonly T[],
  subject = '*',
  budget: WorkBudget,
): Promise<readonly T[]> {
  const wanted = subject.trim();
  if (wanted === '' || wanted === '*') return entries;
  const matches = await budget.map(entries, ({ certificate }) => matchSubject(certificate, wanted));
  for (const level of Object.values(MATCH)) {
    const found = entries.filter((_, index) => matches[index] === level);
    if (found.length > 0) return found;
  }
  const named = entries.filter(({ alias }) => alias?.toLowerCase() === wanted.toLowerCase());
  if (named.length > 0) return named;
  throw subjectNotFound(entries);
}

function subjectNotFound(entries: readonly Named[]): ConnectorError {
  const subjects = entries.map(({ certificate }) => subjectText(certificate)).join('; ');
  return new ConnectorError(
    'CERTIFICATE_SUBJECT_NOT_FOUND',
    { subjects },
    { properties: ['OAuthJWTCertSubject'] },
  );
}
