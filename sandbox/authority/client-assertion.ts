import { X509Certificate } from 'node:crypto';
import * as jose from 'jose';
import type { Refusal } from '../http/refusal.js';
import { clockToleranceSeconds, sha256Of, UsedAssertions } from '../tokens/assertion.js';
import { chainLeadsTo, commonNameOf, isValidAt, readChain } from './certificate-chain.js';
import type { RegisteredCertificate } from './credentials.js';
import type { DirectoryApplication } from './directory.js';
import { refusal } from './refusal.js';

/** The longest span from `nbf` (or `iat`) to `exp` that is accepted, in seconds. */
const longestLifetimeSeconds = 600;

/** Judges the certificate assertions of clients (RFC 7523 section 3 and Entra's rules) and remembers their `jti`. */
export interface AssertionJudge {
  /** Resolves if the assertion proves the app's identity; rejects with a {@link Refusal} else. */
  judge(assertion: string, application: DirectoryApplication, audiences: readonly string[]): Promise<void>;
}

/** A judge by this clock (ms since the epoch). */
export const createAssertionJudge = (now: () => number): AssertionJudge => {
  const used = new UsedAssertions();
  return {
    judge: async (assertion, application, audiences) => {
      const known = findCertificate(application, readHeader(assertion), now());
      const claims = await verify(assertion, known, { application, audiences, now: now() });
      if (known.expired || !isValidAt(known.certificate, now())) throw refusal(1000502);
      const { exp = 0, nbf, iat, jti = '' } = claims;
      if (exp - (nbf ?? iat ?? exp) > longestLifetimeSeconds) throw outOfTime(now(), claims);
      // Entra documents no number of its own for a replay; 50027 is its "invalid JWT token".
      if (!used.use(application.clientId, jti, exp, now() / 1000))
        throw refusal(50027, { reason: 'An assertion with this jti was used before.' });
    },
  };
};

/** The header of a JWT; throws a {@link Refusal} if it is none. */
export const readHeader = (assertion: string): jose.ProtectedHeaderParameters => {
  try {
    return jose.decodeProtectedHeader(assertion);
  } catch {
    throw refusal(50027, { reason: 'The assertion is not a signed JWT.' });
  }
};

/** AADSTS700024 with both clocks in it. */
export const outOfTime = (now: number, { nbf, exp }: jose.JWTPayload): Refusal =>
  refusal(700024, {
    now: new Date(now).toISOString(),
    notBefore: secondsTime(nbf),
    expiry: secondsTime(exp),
  });

type Known = Pick<RegisteredCertificate, 'certificate' | 'expired'>;

/** The certificate that the header names by every thumbprint it gives; or the one it carries, if its subject is trusted. */
const findCertificate = (
  application: DirectoryApplication,
  header: jose.ProtectedHeaderParameters,
  now: number,
): Known => {
  const sha256 = sha256Of(header);
  const sha1 = header.x5t;
  const found = application.credentials.certificates.find(
    (known) =>
      (sha256 !== undefined || sha1 !== undefined) &&
      (sha256 === undefined || known.thumbprintSha256 === sha256) &&
      (sha1 === undefined || known.thumbprintSha1 === sha1),
  );
  const known = found ?? trustedCertificate(application, header, now);
  if (known) return known;
  const thumbprint = toHex(sha256 ?? sha1 ?? '');
  throw refusal(700027, { reason: 'The key was not found.', thumbprint });
};

/** The certificate in `x5c`, if the app trusts its subject as long as this CA says so (SN+I). */
const trustedCertificate = (
  { credentials }: DirectoryApplication,
  { x5c }: jose.ProtectedHeaderParameters,
  now: number,
): Known | undefined => {
  const chain = readChain(x5c ?? []);
  const [certificate] = chain;
  const trusted = credentials.trustedSubjects.some(
    ({ ca, subject }) =>
      certificate !== undefined &&
      commonNameOf(certificate) === subject &&
      chainLeadsTo(chain, new X509Certificate(ca), now),
  );
  return trusted && certificate ? { certificate, expired: false } : undefined;
};

interface Expectation {
  readonly application: DirectoryApplication;
  readonly audiences: readonly string[];
  readonly now: number;
}

const verify = async (
  assertion: string,
  { certificate }: Known,
  { application, audiences, now }: Expectation,
): Promise<jose.JWTPayload> => {
  try {
    const { payload } = await jose.jwtVerify(assertion, certificate.publicKey, {
      algorithms: ['PS256', 'RS256'],
      issuer: application.clientId,
      subject: application.clientId,
      audience: [...audiences],
      requiredClaims: ['jti', 'exp'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    throw toRefusal(error, certificate, now);
  }
};

const toRefusal = (error: unknown, { fingerprint256 }: X509Certificate, now: number): Refusal => {
  if (error instanceof jose.errors.JWTExpired || error instanceof jose.errors.JWTClaimValidationFailed) {
    return claimRefusal(error.claim, error.payload, now);
  }
  if (error instanceof jose.errors.JWTInvalid)
    return refusal(50027, { reason: 'The claims cannot be read.' });
  return refusal(700027, {
    reason: 'The key was found, but use of the key to verify the signature failed.',
    thumbprint: fingerprint256.replaceAll(':', ''),
  });
};

const claimRefusal = (claim: string, claims: jose.JWTPayload, now: number): Refusal => {
  switch (claim) {
    case 'aud':
      return refusal(700023);
    case 'iss':
    case 'sub':
      return refusal(700021);
    case 'exp':
    case 'nbf':
    case 'iat':
      return outOfTime(now, claims);
    default:
      return refusal(50027, { reason: `The claim '${claim}' is missing.` });
  }
};

const toHex = (thumbprint: string): string =>
  Buffer.from(thumbprint, 'base64url').toString('hex').toUpperCase();

const secondsTime = (seconds: number | undefined): string =>
  seconds === undefined || !Number.isFinite(seconds) || Math.abs(seconds) > 8.64e12
    ? 'unknown'
    : new Date(seconds * 1000).toISOString();
