import { ConnectorError, type ErrorCode, type ErrorContext } from '../errors.js';
import { isBearerToken, type TokenAnswer } from './access-token.js';
import type { AuthorityAnswer } from './network.js';
import { retryAfterMs } from './retry.js';

/** What the words of an error about the token request may name. */
export interface TokenRequestFacts {
  readonly tenant: string;
  readonly clientId: string;
  readonly scope: string;
  /** SHA-256 thumbprint of the certificate in use, upper-case hexadecimal; '' with a secret. */
  readonly thumbprint: string;
  /** What the request was marked with, for answers that name none. */
  readonly correlationId: string;
}

/**
 * Numbers behind "AADSTS" that have a cause and a cure of their own. Whether to try again is
 * decided by the HTTP status, since Microsoft reserves the right to change numbers.
 */
const AADSTS: Readonly<Record<number, ErrorCode>> = {
  50059: 'TENANT_NOT_FOUND',
  90002: 'TENANT_NOT_FOUND',
  90019: 'TENANT_NOT_FOUND',
  900021: 'TENANT_NOT_FOUND',
  900023: 'TENANT_NOT_FOUND',
  70001: 'APPLICATION_NOT_FOUND',
  700016: 'APPLICATION_NOT_FOUND',
  7000229: 'APPLICATION_NOT_FOUND',
  7000112: 'APPLICATION_DISABLED',
  50105: 'APPLICATION_NOT_ASSIGNED',
  501051: 'APPLICATION_NOT_ASSIGNED',
  65001: 'CONSENT_MISSING',
  650056: 'CONSENT_MISSING',
  70002: 'WRONG_CLIENT_SECRET',
  7000215: 'WRONG_CLIENT_SECRET',
  7000222: 'CLIENT_SECRET_EXPIRED',
  7000218: 'CLIENT_CREDENTIAL_MISSING',
  700027: 'CERTIFICATE_NOT_REGISTERED',
  700030: 'CERTIFICATE_NOT_REGISTERED',
  1000502: 'CERTIFICATE_REJECTED',
  700024: 'CLIENT_ASSERTION_TIME',
  50012: 'CLIENT_ASSERTION_REFUSED',
  50013: 'CLIENT_ASSERTION_REFUSED',
  50027: 'CLIENT_ASSERTION_REFUSED',
  700021: 'CLIENT_ASSERTION_REFUSED',
  700023: 'CLIENT_ASSERTION_REFUSED',
  70021: 'FEDERATED_CREDENTIAL_NOT_FOUND',
  700211: 'FEDERATED_CREDENTIAL_NOT_FOUND',
  700212: 'FEDERATED_CREDENTIAL_NOT_FOUND',
  700213: 'FEDERATED_CREDENTIAL_NOT_FOUND',
  50001: 'RESOURCE_NOT_FOUND',
  500011: 'RESOURCE_NOT_FOUND',
  650057: 'RESOURCE_NOT_FOUND',
  500014: 'RESOURCE_DISABLED',
  70011: 'SCOPE_INVALID',
  1002012: 'SCOPE_INVALID',
  53003: 'CONDITIONAL_ACCESS_BLOCKED',
  530035: 'CONDITIONAL_ACCESS_BLOCKED',
};

/**
 * The token in the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2).
 *
 * @throws ConnectorError of type POSTGRESQL:AUTHENTICATION that says what the authority refused,
 *   or TOKEN_RESPONSE_MALFORMED
 */
export function judgeTokenAnswer(
  answer: AuthorityAnswer,
  facts: TokenRequestFacts,
  wallMs: number,
): TokenAnswer {
  const body = parseObject(answer.body);
  if (answer.status !== 200 || body?.['error'] !== undefined)
    throw refusal(answer, body ?? {}, facts, wallMs);
  if (!body)
    throw malformed(
      `${answer.host} answered something that is no JSON object (type ${JSON.stringify(answer.contentType)})`,
    );
  return { accessToken: accessTokenOf(body), expiresInSeconds: expiresInOf(body), sentAtMs: dateOf(answer) };
}

function dateOf({ date = '' }: AuthorityAnswer): number | undefined {
  const sentAtMs = Date.parse(date);
  return Number.isNaN(sentAtMs) ? undefined : sentAtMs;
}

/** `text` as a JSON object, or undefined for anything else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function refusal(
  answer: AuthorityAnswer,
  body: Readonly<Record<string, unknown>>,
  facts: TokenRequestFacts,
  wallMs: number,
): ConnectorError {
  const { host, status } = answer;
  const oauthError = typeof body['error'] === 'string' ? body['error'] : undefined;
  const aadsts = firstNumber(body['error_codes']) ?? numberInText(body['error_description']);
  const context = {
    oauthError,
    aadsts,
    correlationId:
      typeof body['correlation_id'] === 'string' ? body['correlation_id'].slice(0, 64) : facts.correlationId,
  };
  const outage = outageOf(answer, wallMs, context);
  if (outage) return outage;
  if (status !== 200 && oauthError === undefined) {
    return new ConnectorError(
      'TOKEN_RESPONSE_MALFORMED',
      { problem: `HTTP ${String(status)} without an OAuth error from ${host}` },
      { ...context, retryable: false },
    );
  }
  const code = AADSTS[aadsts ?? 0] ?? 'TOKEN_REQUEST_REFUSED';
  // One record serves every row: a row takes the details that its words name.
  const details = {
    ...facts,
    host,
    oauthError: oauthError ?? 'no error code',
    aadsts: aadsts === undefined ? 'no AADSTS number' : `AADSTS${String(aadsts)}`,
    localTime: new Date(wallMs).toISOString(),
    serverTime: answer.date === undefined ? 'no time' : answer.date,
  };
  return new ConnectorError<ErrorCode>(code, details as never, context);
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

function firstNumber(codes: unknown): number | undefined {
  const first: unknown = Array.isArray(codes) ? codes[0] : undefined;
  return typeof first === 'number' ? first : undefined;
}

function numberInText(description: unknown): number | undefined {
  const found =
    typeof description === 'string' ? /\bAADSTS(\d{4,8})\b/.exec(description.slice(0, 200))?.[1] : undefined;
  return found === undefined ? undefined : Number(found);
}

const SHORT_LIFE_SECONDS = 300;
const LONGEST_LIFE_SECONDS = 86_400;

function accessTokenOf(body: Readonly<Record<string, unknown>>): string {
  const { access_token: token, token_type: type } = body as { access_token?: unknown; token_type?: unknown };
  if (typeof token !== 'string' || token === '') throw malformed('access_token is missing');
  if (!isBearerToken(token)) throw malformed('access_token is no bearer token');
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw malformed('token_type is not Bearer');
  return token;
}

// expires_in is only recommended (RFC 6749 section 5.1): absent or unusable means a short life, never for ever.
function expiresInOf(body: Readonly<Record<string, unknown>>): number {
  const value = body['expires_in'];
  if (value === undefined || value === null) return SHORT_LIFE_SECONDS;
  const seconds = typeof value === 'string' && /^\d{1,20}(\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !(seconds >= 1)) throw malformed('expires_in is no positive number');
  return Math.min(LONGEST_LIFE_SECONDS, Math.floor(seconds));
}

function malformed(problem: string): ConnectorError {
  return new ConnectorError('TOKEN_RESPONSE_MALFORMED', { problem });
}
