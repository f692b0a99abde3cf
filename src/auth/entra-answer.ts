import { ConnectorError, type ErrorCode, type ErrorContext } from '../errors.js';
import type { TokenAnswer } from './access-token.js';
import type { AuthorityAnswer } from './network.js';
import { aadstsIn, readTokenAnswer, withoutOAuthError, type ReceivedObject } from './token-answer.js';

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
 * The token in the answer of Microsoft Entra ID.
 *
 * @throws ConnectorError of type POSTGRESQL:AUTHENTICATION that says what the authority refused,
 *   or TOKEN_RESPONSE_MALFORMED
 */
export function judgeTokenAnswer(
  answer: AuthorityAnswer,
  facts: TokenRequestFacts,
  wallMs: number,
): TokenAnswer {
  const reader = {
    context: (body: ReceivedObject) => contextOf(body, facts),
    refusal: (_: ReceivedObject, context: ErrorContext) => refusal(answer, context, facts, wallMs),
  };
  return readTokenAnswer(answer, reader, wallMs);
}

function contextOf(body: ReceivedObject, { correlationId }: TokenRequestFacts): ErrorContext {
  const { correlation_id: named } = body;
  return {
    aadsts: firstNumber(body['error_codes']) ?? aadstsIn(body['error_description']),
    correlationId: typeof named === 'string' ? named.slice(0, 64) : correlationId,
  };
}

function refusal(
  answer: AuthorityAnswer,
  context: ErrorContext,
  facts: TokenRequestFacts,
  wallMs: number,
): ConnectorError {
  const { oauthError, aadsts } = context;
  const foreign = withoutOAuthError(answer, context);
  if (foreign) return foreign;
  const code = AADSTS[aadsts ?? 0] ?? 'TOKEN_REQUEST_REFUSED';
  // One record serves every row: a row takes the details that its words name.
  const details = {
    ...facts,
    host: answer.host,
    oauthError: oauthError ?? 'no error code',
    aadsts: aadsts === undefined ? 'no AADSTS number' : `AADSTS${String(aadsts)}`,
    localTime: new Date(wallMs).toISOString(),
    serverTime: answer.date === undefined ? 'no time' : answer.date,
  };
  return new ConnectorError<ErrorCode>(code, details as never, context);
}

function firstNumber(codes: unknown): number | undefined {
  const first: unknown = Array.isArray(codes) ? codes[0] : undefined;
  return typeof first === 'number' ? first : undefined;
}
