import type { Clock } from '../clock.js';
import { ConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';
import { foreignResource, isDatabase } from './cloud.js';

/** Claims of an access token that are fit for diagnostics; never used to authorise anything. */
export interface TokenClaims {
  /** One name, or several separated by blanks. */
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
  /** Resource that was asked for; undefined where the provider was not told one. */
  readonly resource: string | undefined;
  /** The one audience that is right, where the user names it. */
  readonly audience: string | undefined;
  /** Directory that must have issued it; undefined where there is none to check. */
  readonly tenantId: string | undefined;
  /** Told what looks strange and is no reason to refuse. */
  readonly warn: (text: string) => void;
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
  return tokenOf(new Secret(answer.accessToken), claims, lifetimeMs, clock);
}

/** A token whose life of `lifetimeMs` begins now. */
export function tokenOf(
  value: Secret,
  claims: TokenClaims | undefined,
  lifetimeMs: number,
  clock: Clock,
): AccessToken {
  const obtainedAtMs = clock.steadyMs();
  return {
    value,
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

const LONGEST_TOKEN = 65_536;

/**
 * Whether `text` can be a bearer token: printable ASCII without blanks (RFC 6750 section 2.1 has
 * fewer, opaque ones have more), at most 64 KiB. Control characters would end a field of the login.
 */
export function isBearerToken(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(text);
}

const LARGEST_CLAIMS = 32_768;

/** Claims of `token` without verifying it, or undefined when it is no readable JWT. */
export function readClaims(token: string): TokenClaims | undefined {
  const parts = token.split('.');
  const payload = parts[1] ?? '';
  if (parts.length !== 3 || payload === '' || payload.length > LARGEST_CLAIMS) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const isObject = typeof claims === 'object' && claims !== null && !Array.isArray(claims);
    return isObject ? claimsOf(claims as Record<string, unknown>) : undefined;
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
    audience: audienceIn(payload['aud']),
    issuer: text('iss'),
    tenantId: text('tid'),
    objectId: text('oid'),
    applicationId: text('appid') ?? text('azp'),
    tokenId: text('uti') ?? text('jti'),
    expiresAt: number('exp'),
    issuedAt: number('iat'),
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

// RFC 7519 section 4.1.3: one text, or several.
function audienceIn(aud: unknown): string | undefined {
  const names = [aud].flat().filter((name) => typeof name === 'string');
  return names.length === 0 ? undefined : names.join(' ');
}

// iat is no beginning of a life: Entra sets it some minutes back.
function claimedLifeMs({ expiresAt }: TokenClaims = {}, sentAtMs: number): number {
  return expiresAt === undefined ? Infinity : Math.max(1_000, expiresAt * 1_000 - sentAtMs);
}

function requirePurpose(claims: TokenClaims, { resource, audience, tenantId, warn }: TokenPurpose): void {
  const problem = audienceProblem(claims.audience, resource, audience);
  if (problem?.certain) throw notFor(problem.text);
  if (problem) warn(`The token may be meant for something else: ${problem.text}.`);
  if (tenantId !== undefined && claims.tenantId !== undefined && claims.tenantId.toLowerCase() !== tenantId) {
    throw notFor(`it was issued by the tenant ${claims.tenantId}, not ${tenantId}`);
  }
}

function audienceProblem(
  claimed: string | undefined,
  resource: string | undefined,
  wanted: string | undefined,
): { text: string; certain: boolean } | undefined {
  if (claimed === undefined) return undefined;
  const names = claimed.split(' ').map(withoutSlash);
  if (wanted !== undefined) {
    if (names.includes(withoutSlash(wanted))) return undefined;
    return { text: `its audience is ${claimed}, not ${wanted}`, certain: true };
  }
  if (resource === undefined) return undefined;
  if (names.some((name) => name === withoutSlash(resource) || isDatabase(name, resource))) return undefined;
  const foreign = names.map(foreignResource).find((known) => known !== undefined);
  const kind = foreign === undefined ? '' : ` (${foreign})`;
  return { text: `its audience is ${claimed}${kind}, not ${resource}`, certain: foreign !== undefined };
}

function withoutSlash(text: string): string {
  return text.replace(/\/$/, '').toLowerCase();
}

function notFor(problem: string): ConnectorError {
  return new ConnectorError('TOKEN_NOT_FOR_DATABASE', { problem });
}
