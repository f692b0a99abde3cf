import * as jose from 'jose';
import type { DirectoryApplication, RegisteredCertificate } from './directory.js';
import { refusals, type Refusal } from './refusal.js';

/** The only `client_assertion_type` there is for a JWT (RFC 7523 section 2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** How far the clocks of client and authority may be apart, in seconds. */
const clockToleranceSeconds = 300;

/** The longest span from `nbf` (or `iat`) to `exp` that is accepted, in seconds. */
const longestLifetimeSeconds = 600;

/** What can be read from an assertion without trusting it. */
export interface AssertionOutline {
  readonly algorithm?: string;
  readonly thumbprint?: string;
  readonly jti?: string;
  readonly lifetimeSeconds?: number;
}

/** Judges the certificate assertions of clients (RFC 7523 section 3 and Entra's rules) and remembers their `jti`. */
export interface AssertionJudge {
  /** Resolves if the assertion proves the app's identity; rejects with a {@link Refusal} else. */
  judge(assertion: string, application: DirectoryApplication, audiences: readonly string[]): Promise<void>;
}

/** A judge by this clock (ms since the epoch). */
export const createAssertionJudge = (now: () => number): AssertionJudge => {
  const used = new Map<string, number>();
  const refuseReplay = (application: DirectoryApplication, jti: string, expiry: number): void => {
    for (const [id, end] of used) if (end + clockToleranceSeconds < now() / 1000) used.delete(id);
    const id = `${application.clientId} ${jti}`;
    // Entra documents no number of its own for a replay; 50027 is its "invalid JWT token".
    if (used.has(id)) throw refusals.assertionMalformed('An assertion with this jti was used before.');
    used.set(id, expiry);
  };
  return {
    judge: async (assertion, application, audiences) => {
      const header = readHeader(assertion);
      const registered = findCertificate(application, header);
      const claims = await verify(assertion, registered, { application, audiences, now: now() });
      refuseOutOfValidity(registered, now());
      const { exp = 0, nbf, iat, jti = '' } = claims;
      if (exp - (nbf ?? iat ?? exp) > longestLifetimeSeconds)
        throw refusals.assertionOutOfTime(now(), nbf, exp);
      refuseReplay(application, jti, exp);
    },
  };
};

/** What an assertion says of itself; empty if it cannot be read. */
export const outlineAssertion = (assertion: string): AssertionOutline => {
  try {
    const header = jose.decodeProtectedHeader(assertion);
    const { jti, exp, nbf } = jose.decodeJwt(assertion);
    const thumbprint = sha256Of(header) ?? header.x5t;
    return {
      ...(header.alg !== undefined && { algorithm: header.alg }),
      ...(thumbprint !== undefined && { thumbprint }),
      ...(jti !== undefined && { jti }),
      ...(exp !== undefined && nbf !== undefined && { lifetimeSeconds: exp - nbf }),
    };
  } catch {
    return {};
  }
};

const readHeader = (assertion: string): jose.ProtectedHeaderParameters => {
  try {
    return jose.decodeProtectedHeader(assertion);
  } catch {
    throw refusals.assertionMalformed('The assertion is not a signed JWT.');
  }
};

const sha256Of = (header: jose.ProtectedHeaderParameters): string | undefined => {
  const value = (header as Record<string, unknown>)['x5t#S256'];
  return typeof value === 'string' ? value : undefined;
};

/** The registered certificate that the header names, by every thumbprint it gives. */
const findCertificate = (
  application: DirectoryApplication,
  header: jose.ProtectedHeaderParameters,
): RegisteredCertificate => {
  const sha256 = sha256Of(header);
  const sha1 = header.x5t;
  const found = application.certificates.find(
    (known) =>
      (sha256 !== undefined || sha1 !== undefined) &&
      (sha256 === undefined || known.thumbprintSha256 === sha256) &&
      (sha1 === undefined || known.thumbprintSha1 === sha1),
  );
  if (found === undefined) throw refusals.certificateUnregistered(toHex(sha256 ?? sha1 ?? ''));
  return found;
};

interface Expectation {
  readonly application: DirectoryApplication;
  readonly audiences: readonly string[];
  readonly now: number;
}

const verify = async (
  assertion: string,
  registered: RegisteredCertificate,
  { application, audiences, now }: Expectation,
): Promise<jose.JWTPayload> => {
  try {
    const { payload } = await jose.jwtVerify(assertion, registered.certificate.publicKey, {
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
    throw toRefusal(error, registered, now);
  }
};

const toRefusal = (error: unknown, registered: RegisteredCertificate, now: number): Refusal => {
  if (error instanceof jose.errors.JWTExpired || error instanceof jose.errors.JWTClaimValidationFailed) {
    return claimRefusal(error.claim, error.payload, now);
  }
  if (error instanceof jose.errors.JWTInvalid)
    return refusals.assertionMalformed('The claims cannot be read.');
  return refusals.signatureWrong(toHex(registered.thumbprintSha256));
};

const claimRefusal = (claim: string, { nbf, exp }: jose.JWTPayload, now: number): Refusal => {
  switch (claim) {
    case 'aud':
      return refusals.assertionAudienceWrong();
    case 'iss':
    case 'sub':
      return refusals.assertionSubjectWrong();
    case 'exp':
    case 'nbf':
    case 'iat':
      return refusals.assertionOutOfTime(now, nbf, exp);
    default:
      return refusals.assertionMalformed(`The claim '${claim}' is missing.`);
  }
};

const refuseOutOfValidity = ({ certificate }: RegisteredCertificate, now: number): void => {
  if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo)) {
    throw refusals.certificateOutOfValidity();
  }
};

const toHex = (thumbprint: string): string =>
  Buffer.from(thumbprint, 'base64url').toString('hex').toUpperCase();
