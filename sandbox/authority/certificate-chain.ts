import { X509Certificate } from 'node:crypto';

/** The certificates of a JWS header `x5c` (RFC 7515 section 4.1.6), the signer's first; empty if they cannot be read. */
export const readChain = (x5c: unknown): readonly X509Certificate[] => {
  try {
    return (x5c as string[]).map((text) => new X509Certificate(Buffer.from(text, 'base64')));
  } catch {
    return [];
  }
};

/** Whether each certificate is issued by the next one, and the last one by this CA (or is the CA), all valid at `now` (ms). */
export const chainLeadsTo = (
  chain: readonly X509Certificate[],
  ca: X509Certificate,
  now: number,
): boolean => {
  const issuers = chain.slice(1);
  if (!issuers.at(-1)?.raw.equals(ca.raw)) issuers.push(ca);
  return chain.length > 0 && issuers.every((issuer, index) => issued(issuer, chain[index], now));
};

/** The common name of a certificate's subject. */
export const commonNameOf = ({ subject }: X509Certificate): string | undefined =>
  /^CN=(.*)$/m.exec(subject)?.[1];

const issued = (issuer: X509Certificate, subject: X509Certificate | undefined, now: number): boolean =>
  subject !== undefined &&
  issuer.ca &&
  isValidAt(issuer, now) &&
  subject.checkIssued(issuer) &&
  subject.verify(issuer.publicKey);

/** Whether a certificate is within its validity at this time, ms since the epoch. */
export const isValidAt = ({ validFrom, validTo }: X509Certificate, now: number): boolean =>
  now >= Date.parse(validFrom) && now <= Date.parse(validTo);
