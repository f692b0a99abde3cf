import { decodeJwt } from 'jose';
import type { Clock } from '../clock.js';
import { ConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';

/** Claims of an access token that are fit for diagnostics; never used to authorise anything. */
export interface TokenClaims {
  readonly audience?: string;
  readonly issuer?: string;
  readonly tenantId?: string;
  readonly objectId?: string;
  readonly applicationId?: string;
  /** Unique token identifier. */
  readonly tokenId?: string;
  /** Seconds since the epoch. */
  readonly expiresAt?: number;
  /** Seconds since the epoch. */
  readonly issuedAt?: number;
}

/** A token with its life on both clocks of this process. */
export interface AccessToken {
  readonly value: Secret;
  /** Undefined for a token that is no JWT. */
  readonly claims: TokenClaims | undefined;
  readonly lifetimeMs: number;
  readonly obtainedAtMs: number;
  /** End of life on the steady clock. */
  readonly expiresAtMs: number;
  /** End of life on the wall clock: a machine that slept notices by it. */
  readonly expiresAtWallMs: number;
}

/** The members of a token answer that count (RFC 6749 section 5.1). */
export interface TokenAnswer {
  readonly accessToken: string;
  /** Seconds from 1 to 86,400. */
  readonly expiresInSeconds: number;
  /** When the authority sent it, by its own clock in milliseconds since the epoch; undefined if it did not say. */
  readonly sentAtMs: number | undefined;
}

/** Who the token must be for. */
export interface TokenPurpose {
  readonly scope: string;
  readonly tenantId: string;
}

/**
 * The token of `answer`, received now. Its life is the shorter of `expires_in` and what is left
 * until the claim `exp` by the authority's own clock (`Date` of its answer; the local one where it
 * sent none), so that a wrong local clock does not matter.
 *
 * @throws ConnectorError TOKEN_NOT_FOR_DATABASE when its audience or tenant is another one
 */
export function receiveToken(answer: TokenAnswer, purpose: TokenPurpose, clock: Clock): AccessToken {
  const claims = readClaims(answer.accessToken);
  if (claims) requirePurpose(claims, purpose);
  const lifetimeMs = Math.min(
    answer.expiresInSeconds * 1_000,
    claimedLifeMs(claims, answer.sentAtMs ?? clock.wallMs()),
  );
  const obtainedAtMs = clock.steadyMs();
  return {
    value: new Secret(answer.accessToken),
    claims,
    lifetimeMs,
    obtainedAtMs,
    expiresAtMs: obtainedAtMs + lifetimeMs,
    expiresAtWallMs: clock.wallMs() + lifetimeMs,
  };
}

/** The life of a token as it is kept outside a process, where only the wall clock means anything. */
export interface KeptLife {
  readonly lifetimeMs: number;
  readonly expiresAtWallMs: number;
}

/**
 * The token `value` that was kept elsewhere with `life`, on the clocks of this process. A clock that
 * was set back gives it no more than its whole lifetime from now on.
 */
export function restoreToken(value: string, life: KeptLife, clock: Clock): AccessToken {
  const { lifetimeMs } = life;
  const remainingMs = Math.min(life.expiresAtWallMs - clock.wallMs(), lifetimeMs);
  const expiresAtMs = clock.steadyMs() + remainingMs;
  return {
    value: new Secret(value),
    claims: readClaims(value),
    lifetimeMs,
    obtainedAtMs: expiresAtMs - lifetimeMs,
    expiresAtMs,
    expiresAtWallMs: clock.wallMs() + remainingMs,
  };
}

/** Claims of `token` without verifying it, or undefined when it is no readable JWT. */
function readClaims(token: string): TokenClaims | undefined {
  try {
    return claimsOf(decodeJwt(token));
  } catch {
    return undefined;
  }
}

function claimsOf(payload: Readonly<Record<string, unknown>>): TokenClaims {
  const text = (name: string): string | undefined =>
    typeof payload[name] === 'string' ? payload[name] : undefined;
  const number = (name: string): number | undefined =>
    Number.isFinite(payload[name]) ? Number(payload[name]) : undefined;
  const claims = {
    audience: text('aud'),
    issuer: text('iss'),
    tenantId: text('tid'),
    objectId: text('oid'),
    applicationId: text('appid') ?? text('azp'),
    tokenId: text('uti'),
    expiresAt: number('exp'),
    issuedAt: number('iat'),
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

// iat is no beginning of a life: Entra sets it some minutes back.
function claimedLifeMs({ expiresAt }: TokenClaims = {}, sentAtMs: number): number {
  return expiresAt === undefined ? Infinity : Math.max(1_000, expiresAt * 1_000 - sentAtMs);
}

function requirePurpose(claims: TokenClaims, { scope, tenantId }: TokenPurpose): void {
  const resource = scope.replace(/\/?\.default$/, '');
  const { audience } = claims;
  // A v2.0 token names its resource by application id, which cannot be compared with the scope.
  const comparable = audience !== undefined && audience.includes('://');
  if (comparable && audience.replace(/\/$/, '') !== resource)
    throw notFor(`its audience is ${audience}, not ${resource}`);
  if (claims.tenantId !== undefined && claims.tenantId.toLowerCase() !== tenantId) {
    throw notFor(`it was issued by the tenant ${claims.tenantId}, not ${tenantId}`);
  }
}

function notFor(problem: string): ConnectorError {
  return new ConnectorError('TOKEN_NOT_FOR_DATABASE', { problem });
}
