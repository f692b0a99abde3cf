import * as jose from 'jose';
import { databaseResource, tokenIssuer, type TokenMint } from '../authority/access-token.js';
import { LoginRefused, loginRefusals } from './refusal.js';

/** What a token says that stood every check. */
export interface VerifiedToken {
  /** Object id of the principal (`oid`). */
  readonly objectId: string;
  /** `uti`, or undefined if the token has none. */
  readonly id: string | undefined;
}

/** Checks a password that should be an access token; rejects with {@link LoginRefused} and Azure's words. */
export type TokenCheck = (password: string) => Promise<VerifiedToken>;

/** How far ahead of the gate's clock a token's `nbf` may lie, in seconds; `exp` has no such grace. */
const notBeforeToleranceSeconds = 300;

/** The check for tokens of this tenant, by this clock (ms since the epoch). */
export const createTokenCheck =
  (mint: TokenMint, tenantId: string, now: () => number): TokenCheck =>
  async (password) => {
    const { payload } = await verifySignature(password, mint, tenantId, now());
    const id = typeof payload['uti'] === 'string' ? payload['uti'] : undefined;
    const seconds = now() / 1000;
    if (typeof payload.exp !== 'number' || payload.exp <= seconds) {
      throw new LoginRefused(loginRefusals.tokenExpired(), id);
    }
    if (typeof payload.nbf === 'number' && payload.nbf > seconds + notBeforeToleranceSeconds) {
      throw new LoginRefused(loginRefusals.tokenInvalid(), id);
    }
    if (![payload.aud].flat().includes(databaseResource)) {
      throw new LoginRefused(loginRefusals.audienceWrong(databaseResource), id);
    }
    const objectId = payload['oid'];
    if (typeof objectId !== 'string' || payload['tid'] !== tenantId || mint.isRevoked(password)) {
      throw new LoginRefused(loginRefusals.tokenInvalid(), id);
    }
    return { objectId: objectId.toLowerCase(), id };
  };

/** The claims of a token signed by the authority; times are judged by the caller, in an order of its own. */
const verifySignature = async (
  password: string,
  mint: TokenMint,
  tenantId: string,
  now: number,
): Promise<jose.JWTVerifyResult> => {
  try {
    jose.decodeProtectedHeader(password);
    jose.decodeJwt(password);
  } catch {
    throw new LoginRefused(
      looksLikeToken(password) ? loginRefusals.tokenMalformed() : loginRefusals.tokenInvalid(),
    );
  }
  try {
    return await jose.jwtVerify(password, mint.publicKey, {
      algorithms: ['RS256'],
      issuer: tokenIssuer(tenantId),
      currentDate: new Date(now),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    });
  } catch {
    throw new LoginRefused(loginRefusals.tokenInvalid());
  }
};

/** Whether a text is a token that somebody damaged, rather than an ordinary password. */
const looksLikeToken = (password: string): boolean =>
  /^\W*eyJ/.test(password) || password.split('.').length >= 3;
