import * as jose from 'jose';

/** The only `client_assertion_type` there is for a JWT (RFC 7523 section 2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** How far the clocks of client and server may be apart, in seconds. */
export const clockToleranceSeconds = 300;

/** What can be read from an assertion without trusting it. */
export interface AssertionOutline {
  readonly algorithm?: string;
  readonly thumbprint?: string;
  readonly chainLength?: number;
  readonly issuer?: string;
  readonly subject?: string;
  readonly jti?: string;
  readonly lifetimeSeconds?: number;
}

/** What an assertion says of itself; empty if it cannot be read. */
export const outlineAssertion = (assertion: string): AssertionOutline => {
  try {
    const header = jose.decodeProtectedHeader(assertion);
    const { iss, sub, jti, exp, nbf } = jose.decodeJwt(assertion);
    const thumbprint = sha256Of(header) ?? header.x5t;
    return {
      ...(header.alg !== undefined && { algorithm: header.alg }),
      ...(thumbprint !== undefined && { thumbprint }),
      ...(Array.isArray(header.x5c) && { chainLength: header.x5c.length }),
      ...(iss !== undefined && { issuer: iss.slice(0, 500) }),
      ...(sub !== undefined && { subject: sub.slice(0, 500) }),
      ...(jti !== undefined && { jti }),
      ...(exp !== undefined && nbf !== undefined && { lifetimeSeconds: exp - nbf }),
    };
  } catch {
    return {};
  }
};

/** The header `x5t#S256` (RFC 7515 section 4.1.8). */
export const sha256Of = (header: jose.ProtectedHeaderParameters): string | undefined => {
  const value = (header as Record<string, unknown>)['x5t#S256'];
  return typeof value === 'string' ? value : undefined;
};

/** The assertions that were used, by who signed them and their `jti`, for as long as they are good. */
export class UsedAssertions {
  readonly #expiries = new Map<string, number>();

  /** Notes one; false if it was used before. `exp` and `now` are seconds since the epoch. */
  use(signer: string, jti: string, exp: number, now: number): boolean {
    for (const [id, end] of this.#expiries) if (end + clockToleranceSeconds < now) this.#expiries.delete(id);
    const id = `${signer} ${jti}`;
    if (this.#expiries.has(id)) return false;
    this.#expiries.set(id, exp);
    return true;
  }
}
