import { ConnectorError, type ErrorCode, type ErrorContext } from '../errors.js';
import type { TokenAnswer } from './access-token.js';
import type { AuthorityAnswer } from './network.js';
import { readTokenAnswer, withoutOAuthError, type ReceivedObject } from './token-answer.js';

/** What the words of an error about the token request may name. */
export interface OpenIdRequestFacts {
  readonly clientId: string;
  readonly grantType: string;
  /** Whom the token was asked for; '' where the client asked for itself. */
  readonly subject: string;
  readonly scope: string;
  readonly audience: string;
  /** What the request was marked with. */
  readonly correlationId: string;
}

/** OAuth errors of a token endpoint (RFC 6749 section 5.2, RFC 8707 section 2) with a cause of their own. */
const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  invalid_client: 'CLIENT_REFUSED',
  unauthorized_client: 'GRANT_NOT_ALLOWED',
  unsupported_grant_type: 'GRANT_NOT_ALLOWED',
  invalid_scope: 'SCOPE_REFUSED',
  invalid_target: 'AUDIENCE_REFUSED',
  temporarily_unavailable: 'AUTHORITY_UNAVAILABLE',
  server_error: 'AUTHORITY_UNAVAILABLE',
};

/**
 * The token in the answer of an OpenID provider.
 *
 * @throws ConnectorError of type POSTGRESQL:AUTHENTICATION that says what the provider refused, or
 *   TOKEN_RESPONSE_MALFORMED
 */
export function judgeOpenIdAnswer(
  answer: AuthorityAnswer,
  facts: OpenIdRequestFacts,
  wallMs: number,
): TokenAnswer {
  const reader = {
    context: () => ({ correlationId: facts.correlationId }),
    refusal: (_: ReceivedObject, context: ErrorContext) => refusal(answer, context, facts),
  };
  return readTokenAnswer(answer, reader, wallMs);
}

function refusal(answer: AuthorityAnswer, context: ErrorContext, facts: OpenIdRequestFacts): ConnectorError {
  const { host, status } = answer;
  const { oauthError = 'no error code' } = context;
  const code = codeOf(status, oauthError, facts);
  // One record serves every row: a row takes the details that its words name.
  const details = { ...facts, host, status, oauthError };
  return withoutOAuthError(answer, context) ?? new ConnectorError<ErrorCode>(code, details as never, context);
}

// HTTP 401 is for a client that was not recognised, whatever a provider calls it (Keycloak:
// unauthorized_client).
function codeOf(status: number, oauthError: string, { subject }: OpenIdRequestFacts): ErrorCode {
  if (status === 401) return 'CLIENT_REFUSED';
  if (oauthError === 'invalid_grant' && subject !== '') return 'ASSERTION_REFUSED';
  return REFUSALS[oauthError] ?? 'TOKEN_ENDPOINT_REFUSED';
}
