import * as jose from 'jose';
import type { SigningKey } from '../tokens/signing-key.js';
import type { TokenRegister } from '../tokens/token-register.js';
import { LoginRefused, loginRefusals } from './refusal.js';

/** What a token says that stood every check. */
export interface VerifiedToken {
  /** Object id of the principal: what roles are mapped to. */
  readonly objectId: string;
  /** `uti` or `jti`, or undefined if the token has none. */
  readonly id: string | undefined;
}

/** Checks a password that should be an access token; rejects with {@link LoginRefused} and Azure's words. */
export type TokenCheck = (password: string) => Promise<VerifiedToken>;

/** An issuer whose tokens the gate takes. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly key: SigningKey;
  /** What the token must be made for. */
  readonly audience: string;
  /** The principal that a token names; undefined if it names none that counts. */
  readonly principalOf: (claims: jose.JWTPayload) => unknown;
}

/** How far ahead of the gate's clock a token's `nbf` may lie, in seconds; `exp` has no such grace. */
const notBeforeToleranceSeconds = 300;

/** The check for tokens of these issuers, by this clock (ms since the epoch). */
export const createTokenCheck =
  (issuers: readonly TrustedIssuer[], register: TokenRegister, now: () => number): TokenCheck =>
  async (password) => {
    const token = register.reveal(password);
    const { issuer, payload } = await verifySignature(token, issuers, now());
    const name = payload['uti'] ?? payload.jti;
    const id = typeof name === 'string' ? name : undefined;
    const seconds = now() / 1000;
    if (typeof payload.exp !== 'number' || payload.exp <= seconds) {
      throw new LoginRefused(loginRefusals.tokenExpired(), id);
    }
    if (typeof payload.nbf === 'number' && payload.nbf > seconds + notBeforeToleranceSeconds) {
      throw new LoginRefused(loginRefusals.tokenInvalid(), id);
    }
    if (![payload.aud].flat().includes(issuer.audience)) {
      throw new LoginRefused(loginRefusals.audienceWrong(issuer.audience), id);
    }
    const objectId = issuer.principalOf(payload);
    if (typeof objectId !== 'string' || register.isRevoked(token)) {
      throw new LoginRefused(loginRefusals.tokenInvalid(), id);
    }
    return { objectId: objectId.toLowerCase(), id };
  };

/** The claims of a token signed by one of the issuers; times are judged by the caller, in an order of its own. */
const verifySignature = async (
  token: string,
  issuers: readonly TrustedIssuer[],
  now: number,
): Promise<{ readonly issuer: TrustedIssuer; readonly payload: jose.JWTPayload }> => {
  const issuer = issuers.find((known) => known.issuer === issuerOf(token));
  if (!issuer) throw new LoginRefused(loginRefusals.tokenInvalid());
  try {
    const { payload } = await jose.jwtVerify(token, await issuer.key.publicKey(), {
      algorithms: ['RS256'],
      issuer: issuer.issuer,
      currentDate: new Date(now),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    });
    return { issuer, payload };
  } catch {
    throw new LoginRefused(loginRefusals.tokenInvalid());
  }
};

/** Who a token says it is from. */
const issuerOf = (token: string): string | undefined => {
  try {
    jose.decodeProtectedHeader(token);
    return jose.decodeJwt(token).iss;
  } catch {
    throw new LoginRefused(
      looksLikeToken(token) ? loginRefusals.tokenMalformed() : loginRefusals.tokenInvalid(),
    );
  }
};

/** Whether a text is a token that somebody damaged, rather than an ordinary password. */
const looksLikeToken = (password: string): boolean =>
  /^\W*eyJ/.test(password) || password.split('.').length >= 3;
