import * as jose from 'jose';
import { clockToleranceSeconds } from '../tokens/assertion.js';
import type { SigningKey } from '../tokens/signing-key.js';
import { outOfTime, readHeader } from './client-assertion.js';
import type { DirectoryApplication } from './directory.js';
import { refusal } from './refusal.js';

/** Another issuer whose tokens the authority can check. */
export interface ForeignIssuer {
  readonly issuer: string;
  readonly key: SigningKey;
}

/** What an assertion claims to be, before it is trusted. */
export const readClaims = (assertion: string): jose.JWTPayload => {
  readHeader(assertion);
  try {
    return jose.decodeJwt(assertion);
  } catch {
    throw refusal(50027, { reason: 'The claims cannot be read.' });
  }
};

/**
 * Resolves if the token of another issuer stands for this app (workload identity federation): a credential of the
 * app has its issuer, subject and audience, it is within its time, and the issuer signed it (RS256).
 * Rejects with a `Refusal` else; such a token may be used again.
 */
export const judgeFederated = async (
  assertion: string,
  { credentials }: DirectoryApplication,
  issuers: readonly ForeignIssuer[],
  now: number,
): Promise<void> => {
  const claims = readClaims(assertion);
  const { iss: issuer, sub: subject } = claims;
  const audiences = [claims.aud ?? []].flat();
  const presented = { issuer, subject, audience: audiences.join(', ') };
  if (credentials.federated.length === 0) throw refusal(70021, presented);
  const ofIssuer = credentials.federated.filter((known) => known.issuer === issuer);
  if (ofIssuer.length === 0) throw refusal(700211, presented);
  const ofSubject = ofIssuer.filter((known) => known.subject === subject);
  if (ofSubject.length === 0) throw refusal(700213, presented);
  if (!ofSubject.some(({ audience }) => audiences.includes(audience))) throw refusal(700212, presented);
  const found = issuers.find((known) => known.issuer === issuer);
  if (!found) throw refusal(50013, { reason: 'The keys of the issuer cannot be read.' });
  await verify(assertion, found, now, claims);
};

const verify = async (
  assertion: string,
  { key }: ForeignIssuer,
  now: number,
  claims: jose.JWTPayload,
): Promise<void> => {
  try {
    await jose.jwtVerify(assertion, await key.publicKey(), {
      algorithms: ['RS256'],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now),
    });
  } catch (error) {
    const inTime = !(
      error instanceof jose.errors.JWTExpired || error instanceof jose.errors.JWTClaimValidationFailed
    );
    throw inTime ? refusal(50013, { reason: 'The key was not found.' }) : outOfTime(now, claims);
  }
};
