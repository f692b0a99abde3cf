import { ConnectorError, isConnectorError, type ErrorContext } from '../errors.js';
import { demandAdvice, refusalAdvice } from './login-advice.js';
import type { BearerDemand } from './oauth-bearer.js';
import { codeOf, type StatementCode } from './sqlstates.js';

/** Fields of an ErrorResponse as `pg` gives them (PostgreSQL documentation, section 54.8). */
export interface ServerError extends Error {
  readonly code: string;
  readonly severity?: string;
  readonly position?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly routine?: string;
}

/** Whether `error` is an ErrorResponse of the server: it carries a SQLSTATE. */
export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    !isConnectorError(error) &&
    /^[0-9A-Z]{5}$/.test((error as { code?: string }).code ?? '') &&
    'severity' in error
  );
}

/** Whether the server ends the session with `error`: by its severity, or by SQLSTATE where the severity is in another language. */
export function isFatal({ code, severity }: ServerError): boolean {
  return severity === 'FATAL' || severity === 'PANIC' || /^(57P0[1-5]|25P0[34])$/.test(code);
}

/**
 * The connector's error for what the server said of a statement, by the table of SQLSTATEs. Fields
 * that can hold row data (detail, where, hint) are left out, and so are the values that a message
 * of class 22 quotes.
 */
export function statementError(error: ServerError): ConnectorError {
  const code = statementCode(error);
  const serverMessage = code === 'DATA_ERROR' ? error.message.replace(QUOTED, '"…"') : error.message;
  return new ConnectorError(code, { serverMessage, problem: `${serverMessage}.` }, contextOf(error));
}

// From the first quote to the last, of whatever language: a value may hold quotes of its own.
const QUOTED = /["«»‹›„“”‚‘’「」『』][^]*["«»‹›„“”‚‘’「」『』]/g;

// A prepared statement whose result changed its columns shares its SQLSTATE with all that is not
// supported; the routine of the server tells them apart in every language.
function statementCode({ code, routine }: ServerError): StatementCode {
  return code === '0A000' && routine === 'RevalidateCachedQuery' ? 'PREPARED_STATEMENT_LOST' : codeOf(code);
}

/** Who tried to log in, for the words of the error. */
export interface LoginFacts {
  readonly user: string;
  readonly database: string;
  readonly isToken: boolean;
  /** What a server that refused a token by OAUTHBEARER wants. */
  readonly demand?: BearerDemand | undefined;
}

/**
 * SQLSTATEs of a refused token besides class 28: a pooler's answer (PgBouncer has one for all), and
 * that of Azure's PostgreSQL 15 and 16.
 */
const TOKEN_REFUSALS = ['08P01', '55000'];

/** The connector's error for what the server said of a login. */
export function loginError(error: ServerError, facts: LoginFacts): ConnectorError {
  const { user, database, isToken } = facts;
  const context = contextOf(error);
  const serverMessage = error.message;
  if (error.code === '22023') return refusedSetting(error);
  // PgBouncer has one SQLSTATE for all that it refuses; only its words tell this from a wrong password.
  if (error.code === '08P01' && serverMessage.startsWith('unsupported startup parameter'))
    return new ConnectorError('POOLER_MODE_NEEDED', { serverMessage }, context);
  if (error.code === '3D000') return new ConnectorError('DATABASE_UNKNOWN', { database }, context);
  if (error.code === '08P01' && !isToken)
    return new ConnectorError('SERVER_CONNECTION_FAILED', { serverMessage }, context);
  if (isShutOut(error)) return new ConnectorError('LOGIN_REFUSED', { user, serverMessage }, context);
  if (error.code.startsWith('28') || (isToken && TOKEN_REFUSALS.includes(error.code)))
    return isToken ? tokenRefusal(error, facts) : passwordRefusal(error, facts);
  return statementError(error);
}

/** Of what is said at login only these are the user's choice. Settings have the same names in every language. */
const REFUSABLE_SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: 'TimeZone',
  search_path: 'SearchPath',
};

function refusedSetting(error: ServerError): ConnectorError {
  const named = REFUSABLE_SETTINGS[/\b(?:TimeZone|search_path)\b/.exec(error.message)?.[0] ?? ''];
  const properties = named === undefined ? Object.values(REFUSABLE_SETTINGS) : [named];
  const problems = `The server does not take ${properties.join(' or ')}.`;
  return new ConnectorError('PROPERTY_INVALID', { problems }, { ...contextOf(error), properties });
}

function passwordRefusal(error: ServerError, { user }: LoginFacts): ConnectorError {
  return new ConnectorError('PASSWORD_REFUSED', { user, serverMessage: error.message }, contextOf(error));
}

function tokenRefusal(error: ServerError, { user, demand }: LoginFacts): ConnectorError {
  const context = { ...contextOf(error), oauthError: demand?.status };
  const details = { user, serverMessage: error.message };
  const known = demand === undefined ? refusalAdvice(error.message) : demandAdvice(demand);
  // 28P01 is what a role without a mapping gets; that no token gets it is documented nowhere.
  if (isUnknownRole(error) || (error.code === '28P01' && known === undefined))
    return new ConnectorError('ROLE_UNKNOWN', details, context);
  const advice = known ?? 'no known cause can be told; its log may say more';
  return new ConnectorError('TOKEN_REFUSED', { ...details, advice }, context);
}

/** Whether the server refused who we are, so that another token might help. */
export function isLoginRefusal(error: unknown): error is ConnectorError {
  return (
    isConnectorError(error) && (error.code === 'TOKEN_REFUSED' || error.sqlState?.startsWith('28') === true)
  );
}

// No rule of the server lets us in: without a SQLSTATE of its own. The routine tells it, the text
// where the routine is kept back.
function isShutOut({ code, routine, message }: ServerError): boolean {
  return code === '28000' && (routine === 'ClientAuthentication' || message.includes('pg_hba.conf'));
}

// Nor has the role's absence one.
function isUnknownRole({ code, routine, message }: ServerError): boolean {
  return (
    code === '28000' && (routine === 'InitializeSessionUserId' || /^role ".*" does not exist$/.test(message))
  );
}

function contextOf(error: ServerError): ErrorContext {
  const { code: sqlState, schema, table, column, constraint } = error;
  const position = Number(error.position);
  return { sqlState, schema, table, column, constraint, position: position > 0 ? position : undefined };
}
