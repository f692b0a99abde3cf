import { ConnectorError, isConnectorError, type ErrorCode, type ErrorContext } from '../errors.js';

/**
 * What a SQLSTATE means to a flow (PostgreSQL documentation, appendix A). The first row whose
 * prefix fits decides, so exact codes stand before their class.
 */
const SQLSTATES: readonly (readonly [prefix: string, code: Extract<ErrorCode, StatementCode>])[] = [
  ['42501', 'PERMISSION_DENIED'],
  ['25006', 'READ_ONLY'],
  ['42P01', 'TABLE_UNKNOWN'],
  ['42703', 'COLUMN_UNKNOWN'],
  ['42', 'SYNTAX_ERROR'],
  ['08P01', 'PARAMETERS_MISMATCH'],
  ['23', 'CONSTRAINT_VIOLATION'],
  ['57014', 'STATEMENT_CANCELLED'],
  ['55P03', 'STATEMENT_CANCELLED'],
  ['40', 'SERIALIZATION_FAILURE'],
  ['22', 'DATA_ERROR'],
  ['21', 'DATA_ERROR'],
  ['53', 'SERVER_BUSY'],
  ['57P', 'SERVER_STARTING'],
];

type StatementCode =
  | 'PERMISSION_DENIED'
  | 'READ_ONLY'
  | 'SYNTAX_ERROR'
  | 'TABLE_UNKNOWN'
  | 'COLUMN_UNKNOWN'
  | 'PARAMETERS_MISMATCH'
  | 'CONSTRAINT_VIOLATION'
  | 'STATEMENT_CANCELLED'
  | 'SERIALIZATION_FAILURE'
  | 'DATA_ERROR'
  | 'SERVER_BUSY'
  | 'SERVER_STARTING'
  | 'QUERY_EXECUTION';

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
  return severity === 'FATAL' || severity === 'PANIC' || /^57P0[1-5]$/.test(code);
}

/**
 * The connector's error for what the server said of a statement. Fields that can hold row data
 * (detail, where, hint) are left out, and so are the values that a message of class 22 quotes.
 */
export function statementError(error: ServerError): ConnectorError {
  const code = SQLSTATES.find(([prefix]) => error.code.startsWith(prefix))?.[1] ?? 'QUERY_EXECUTION';
  const serverMessage = code === 'DATA_ERROR' ? error.message.replace(QUOTED, '"…"') : error.message;
  return new ConnectorError(code, { serverMessage }, contextOf(error));
}

const QUOTED = /"[^]*"/g;

/** Who tried to log in, for the words of the error. */
export interface LoginFacts {
  readonly user: string;
  readonly database: string;
  readonly isToken: boolean;
}

/** The connector's error for what the server said of a login. */
export function loginError(error: ServerError, { user, database, isToken }: LoginFacts): ConnectorError {
  const context = contextOf(error);
  const serverMessage = error.message;
  // Of what is said at login only these are the user's choice.
  if (error.code === '22023') {
    const problems = 'The server does not take TimeZone, or SearchPath where it is set.';
    const properties = ['TimeZone', 'SearchPath'];
    return new ConnectorError('PROPERTY_INVALID', { problems }, { ...context, properties });
  }
  // PgBouncer has one SQLSTATE for all that it refuses; only its words tell this from a wrong password.
  if (error.code === '08P01' && serverMessage.startsWith('unsupported startup parameter'))
    return new ConnectorError('POOLER_MODE_NEEDED', { serverMessage }, context);
  if (error.code === '3D000') return new ConnectorError('DATABASE_UNKNOWN', { database }, context);
  if (isToken && (error.code === '28P01' || isUnknownRole(error)))
    return new ConnectorError('ROLE_UNKNOWN', { user, serverMessage }, context);
  if (error.code.startsWith('28')) {
    const refused = isToken ? 'TOKEN_REFUSED' : 'PASSWORD_REFUSED';
    const code = serverMessage.includes('pg_hba.conf') ? 'LOGIN_REFUSED' : refused;
    return new ConnectorError(code, { user, serverMessage }, context);
  }
  return statementError(error);
}

/** Whether the server refused who we are (class 28), so that another token might help. */
export function isLoginRefusal(error: unknown): error is ConnectorError {
  return isConnectorError(error) && error.sqlState?.startsWith('28') === true;
}

// The role's absence has no SQLSTATE of its own: the routine tells it, the text where it is kept back.
function isUnknownRole(error: ServerError): boolean {
  return (
    error.code === '28000' &&
    (error.routine === 'InitializeSessionUserId' || /^role ".*" does not exist$/.test(error.message))
  );
}

function contextOf(error: ServerError): ErrorContext {
  const { code: sqlState, schema, table, column, constraint } = error;
  const position = Number(error.position);
  return { sqlState, schema, table, column, constraint, position: position > 0 ? position : undefined };
}
