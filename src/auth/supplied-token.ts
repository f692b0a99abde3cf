import type { Clock } from '../clock.js';
import { ConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';
import type { SuppliedToken } from '../settings/settings.js';
import { foreignResource } from './cloud.js';
import { isBearerToken, readClaims, tokenOf } from './access-token.js';
import type { ReadSuppliedToken, TokenHealth, TokenSource } from './token-source.js';

/** Life of a token that says nothing about it: until a server refuses it. */
const UNKNOWN_LIFE_MS = 86_400_000;

/**
 * The token of `OAuthAccessToken`. Its end is the earlier of what `OAuthExpiresIn` and
 * `OAuthTokenTimestamp` say together and of its own claim `exp`.
 *
 * @throws ConnectorError PROPERTY_INVALID when it is no token at all
 */
export function readSuppliedToken(supplied: SuppliedToken, clock: Clock): ReadSuppliedToken {
  const text = supplied.token.reveal().trim();
  if (!isBearerToken(text)) {
    const problems = 'OAuthAccessToken must be the token itself, without quotes, blanks and line ends.';
    throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties: ['OAuthAccessToken'] });
  }
  const claims = readClaims(text);
  const { createdAtMs, lifetimeMs } = supplied;
  const statedEndMs =
    createdAtMs === undefined || lifetimeMs === undefined ? Infinity : createdAtMs + lifetimeMs;
  const claimedEndMs = claims?.expiresAt === undefined ? Infinity : claims.expiresAt * 1_000;
  const leftMs = Math.min(statedEndMs, claimedEndMs) - clock.wallMs();
  const isAgeKnown = Number.isFinite(leftMs);
  const foreign = claims?.audience
    ?.split(' ')
    .map((name) => foreignResource(name.toLowerCase()))
    .find(Boolean);
  const problem = `its audience is ${claims?.audience ?? ''} (${foreign ?? ''})`;
  return {
    refusal: foreign === undefined ? undefined : new ConnectorError('TOKEN_NOT_FOR_DATABASE', { problem }),
    token: tokenOf(new Secret(text), claims, isAgeKnown ? leftMs : UNKNOWN_LIFE_MS, clock),
    isAgeKnown,
  };
}

/** A source of the one token that the user supplied: nothing renews it, and a refusal is final. */
export function createSuppliedSource(
  { token, isAgeKnown, refusal }: ReadSuppliedToken,
  clock: Clock,
): TokenSource {
  let isClosed = false;
  const leftMs = (): number => token.expiresAtWallMs - clock.wallMs();
  return {
    get() {
      if (isClosed) return Promise.reject(new ConnectorError('CONNECTOR_CLOSED', {}));
      if (refusal) return Promise.reject(refusal);
      if (leftMs() > 0) return token;
      const expiredAt = new Date(token.expiresAtWallMs).toISOString();
      return Promise.reject(new ConnectorError('TOKEN_EXPIRED', { expiredAt }));
    },
    reject: () => false,
    health(): TokenHealth {
      const state = leftMs() > 0 ? 'valid' : 'expired';
      const expiresInSeconds = Math.max(0, Math.floor(leftMs() / 1_000));
      return { state, ...(isAgeKnown && { expiresInSeconds }), obtained: 0, failed: 0 };
    },
    rest: () => undefined,
    close() {
      isClosed = true;
    },
  };
}
