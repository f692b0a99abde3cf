import type { LoginRefusal } from './script.js';

/** A login that the gate refuses. Thrown by whoever finds the reason. */
export class LoginRefused extends Error implements LoginRefusal {
  readonly sqlState: string;
  /** `uti` of the token, if it was a good one for somebody. */
  readonly tokenId: string | undefined;

  constructor({ sqlState, message }: LoginRefusal, tokenId?: string) {
    super(message);
    this.name = 'LoginRefused';
    this.sqlState = sqlState;
    this.tokenId = tokenId;
  }
}

const invalidAuthorization = (message: string): LoginRefusal => ({ sqlState: '28000', message });

/** What Azure Database for PostgreSQL (and by OAUTHBEARER PostgreSQL 18) answers, by reason; texts as public reports show them. */
export const loginRefusals = {
  noEncryption: (host: string, role: string, database: string) =>
    invalidAuthorization(
      `no pg_hba.conf entry for host "${host}", user "${role}", database "${database}", no encryption`,
    ),
  noUser: () => invalidAuthorization('no PostgreSQL user name specified in startup packet'),
  roleMissing: (role: string) => invalidAuthorization(`role "${role}" does not exist`),
  passwordWrong: (role: string): LoginRefusal => ({
    sqlState: '28P01',
    message: `password authentication failed for user "${role}"`,
  }),
  tokenMalformed: () =>
    invalidAuthorization(
      'The access token has invalid format. Please ensure the token is passed exactly as returned by the authentication endpoint and retry.',
    ),
  tokenInvalid: () =>
    invalidAuthorization(
      'An error occurred while validating the access token. Please acquire a new token and retry',
    ),
  tokenExpired: () =>
    invalidAuthorization('The access token has expired. Acquire a new token and try again.'),
  audienceWrong: (resource: string) =>
    invalidAuthorization(
      `The access token does not have a valid audience claim. Please acquire a new token for the resource "${resource}".`,
    ),
  bearerRefused: (role: string) =>
    invalidAuthorization(`OAuth bearer authentication failed for user "${role}"`),
  principalWrong: (role: string) =>
    invalidAuthorization(
      `Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role "${role}".`,
    ),
  expectedPassword: (type: string): LoginRefusal => ({
    sqlState: '08P01',
    message: `expected password response, got message type ${type.charCodeAt(0)}`,
  }),
  emptyPassword: (): LoginRefusal => ({ sqlState: '28P01', message: 'empty password returned by client' }),
  protocolViolation: (message: string): LoginRefusal => ({ sqlState: '08P01', message }),
  protocolUnsupported: (code: number): LoginRefusal => ({
    sqlState: '0A000',
    message: `unsupported frontend protocol ${code >>> 16}.${code & 0xffff}: server supports 3.0 to 3.2`,
  }),
  serverAbsent: (): LoginRefusal => ({ sqlState: '57P03', message: 'the database system is not available' }),
} as const;
