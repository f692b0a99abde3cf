import { ConnectorError, printable, type ErrorContext } from '../errors.js';
import { isBearerToken, type TokenAnswer } from './access-token.js';
import type { AuthorityAnswer } from './network.js';
import { retryAfterMs } from './retry.js';

/** A JSON object that was received: nothing in it is of a known type. */
export type ReceivedObject = Readonly<Record<string, unknown>>;

/** How one kind of token endpoint says no. */
export interface RefusalReader {
  /** What its answer says beside the OAuth error, for every error made of it. */
  context(body: ReceivedObject): ErrorContext;
  /** The error for a refusal; `context` has the OAuth error, if there was one. */
  refusal(body: ReceivedObject, context: ErrorContext): ConnectorError;
}

/**
 * The token in the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2). Its life is the
 * smallest of what `expires_in` and `expires_on` say, 300 seconds where they say nothing.
 *
 * @throws ConnectorError AUTHORITY_THROTTLED, AUTHORITY_UNAVAILABLE, TOKEN_RESPONSE_MALFORMED, or
 *   what `reader` makes of a refusal
 */
export function readTokenAnswer(answer: AuthorityAnswer, reader: RefusalReader, wallMs: number): TokenAnswer {
  const body = parseObject(answer.body);
  if (answer.status !== 200 || body?.['error'] !== undefined)
    throw refusalOf(answer, body ?? {}, reader, wallMs);
  if (!body)
    throw malformed(
      `${answer.host} answered something that is no JSON object (type ${JSON.stringify(answer.contentType)})`,
    );
  const sentAtMs = dateOf(answer);
  return {
    accessToken: accessTokenOf(body),
    expiresInSeconds: lifeSecondsOf(body, sentAtMs ?? wallMs),
    sentAtMs,
  };
}

/** `text` as a JSON object, or undefined for anything else. */
export function parseObject(text: string): ReceivedObject | undefined {
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The error for an answer that asks to try again later (429, 408, 5xx), with the time it asks for. */
export function outageOf(
  { host, status, retryAfter }: AuthorityAnswer,
  wallMs: number,
  context: ErrorContext = {},
): ConnectorError | undefined {
  const facts = { ...context, retryAfterMs: retryAfterMs(retryAfter, wallMs) };
  if (status === 429) return new ConnectorError('AUTHORITY_THROTTLED', { host }, facts);
  if (status !== 408 && status < 500) return undefined;
  return new ConnectorError('AUTHORITY_UNAVAILABLE', { host, status }, facts);
}

/** The error for a refusal that is none of OAuth: something else stands in the place of the endpoint. */
export function withoutOAuthError(
  { host, status }: AuthorityAnswer,
  context: ErrorContext,
): ConnectorError | undefined {
  if (status === 200 || context.oauthError !== undefined) return undefined;
  return new ConnectorError(
    'TOKEN_RESPONSE_MALFORMED',
    { problem: `HTTP ${String(status)} without an OAuth error from ${host}` },
    { ...context, retryable: false },
  );
}

/** The first of `texts` that names a number behind "AADSTS", within its first 200 characters. */
export function aadstsIn(...texts: readonly unknown[]): number | undefined {
  const found = texts
    .filter((text) => typeof text === 'string')
    .map((text) => /\bAADSTS(\d{4,8})\b/.exec(text.slice(0, 200))?.[1])
    .find((number) => number !== undefined);
  return found === undefined ? undefined : Number(found);
}

const LONGEST_CORRECTION_MS = 3_600_000;

/**
 * Milliseconds by which the clock of who sent `answer` is ahead of ours at `wallMs`. Undefined where
 * it does not tell: what a cache answered (`Age`) says nothing about the present, and nobody is
 * believed beyond an hour.
 */
export function clockOffsetMs(answer: AuthorityAnswer, wallMs: number): number | undefined {
  const sentAtMs = answer.age === undefined ? dateOf(answer) : undefined;
  const offsetMs = (sentAtMs ?? Infinity) - wallMs;
  return Math.abs(offsetMs) <= LONGEST_CORRECTION_MS ? offsetMs : undefined;
}

function dateOf({ date = '' }: AuthorityAnswer): number | undefined {
  const sentAtMs = Date.parse(date);
  return Number.isNaN(sentAtMs) ? undefined : sentAtMs;
}

const LONGEST_OAUTH_ERROR = 100;

function refusalOf(
  answer: AuthorityAnswer,
  body: ReceivedObject,
  reader: RefusalReader,
  wallMs: number,
): ConnectorError {
  const { error } = body;
  const oauthError = typeof error === 'string' ? printable(error.slice(0, LONGEST_OAUTH_ERROR)) : undefined;
  const context = { ...reader.context(body), oauthError };
  return outageOf(answer, wallMs, context) ?? reader.refusal(body, context);
}

function accessTokenOf(body: ReceivedObject): string {
  const { access_token: token, token_type: type } = body;
  if (typeof token !== 'string' || token === '') throw malformed('access_token is missing');
  if (!isBearerToken(token)) throw malformed('access_token is no bearer token');
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw malformed('token_type is not Bearer');
  return token;
}

const SHORT_LIFE_SECONDS = 300;
const LONGEST_LIFE_SECONDS = 86_400;

// expires_in is only recommended (RFC 6749 section 5.1): absent means a short life, never for ever.
// expires_on, in seconds since 1970, is what the managed identities of Azure say, some of them alone.
function lifeSecondsOf(body: ReceivedObject, nowMs: number): number {
  const stated = secondsIn(body['expires_in']);
  const end = secondsIn(body['expires_on']);
  const left = end === undefined ? NaN : end - nowMs / 1_000;
  if (stated === undefined && end === undefined) return SHORT_LIFE_SECONDS;
  if (stated !== undefined && !(stated >= 1)) throw malformed('expires_in is no positive number');
  if (stated === undefined && !(left >= 1)) throw malformed('expires_on is not in the future');
  const seconds = Math.min(stated ?? Infinity, left >= 1 ? left : Infinity, LONGEST_LIFE_SECONDS);
  return Math.floor(seconds);
}

// NaN for what is there and is no number.
function secondsIn(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && /^\d{1,20}(\.\d+)?$/.test(value)) return Number(value);
  return typeof value === 'number' ? value : NaN;
}

function malformed(problem: string): ConnectorError {
  return new ConnectorError('TOKEN_RESPONSE_MALFORMED', { problem });
}
