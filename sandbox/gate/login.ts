import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { PasswordMethod } from '../postgres/access.js';
import type { PasswordRole } from '../postgres/password-roles.js';
import type { RoleMapping } from '../postgres/principals.js';
import { readBearer, sendDemand, type BearerDemand } from './oauth-bearer.js';
import { LoginRefused, loginRefusals } from './refusal.js';
import { plusRequest, provesPassword } from './scram.js';
import type { AuthenticationKind, GateScript } from './script.js';
import type { TokenCheck, VerifiedToken } from './token-check.js';
import { authenticationRequest, readMessage } from './wire.js';

/** Longest password that is read, in bytes; PostgreSQL itself takes 64 KB (PG_MAX_AUTH_TOKEN_LENGTH). */
const longestPassword = 65_535;

/** What a login is judged by. */
export interface LoginParts {
  readonly script: GateScript;
  readonly checkToken: TokenCheck;
  readonly findRole: (role: string) => Promise<RoleFound>;
  /** What a client is told whose token is refused by OAUTHBEARER. */
  readonly demand: BearerDemand;
  /** Makes PostgreSQL ask this role for its password in this way. */
  readonly usePasswordMethod: (role: PasswordRole, method: PasswordMethod) => Promise<void>;
}

/** How a role logs in: with a password, as an Entra principal, by neither (`unmapped`); or that there is none. */
export type RoleFound = PasswordRole | RoleMapping | 'missing' | 'unmapped';

/** A login that may go on to the server. */
export interface LoginGranted {
  /** `uti` of the token; undefined if none was asked for. */
  readonly tokenId: string | undefined;
}

/** Authentication messages by kind (https://www.postgresql.org/docs/18/protocol-message-formats.html). */
const requests: Record<Exclude<AuthenticationKind, 'azure' | 'trust' | 'oauthbearer'>, () => Buffer> = {
  cleartext: () => authenticationRequest(3),
  md5: () => authenticationRequest(5, randomBytes(4)),
  gss: () => authenticationRequest(7),
  sspi: () => authenticationRequest(9),
  scram: () => authenticationRequest(10, Buffer.from('SCRAM-SHA-256\0\0')),
  'scram-plus': plusRequest,
};

/**
 * Whether PostgreSQL itself is to ask for the password, in the way that the script wants; it is ready for it then.
 * It lets a role in unasked whose password the gate has verified, or that needs none.
 */
export const leavesToPostgres = async (
  { script, usePasswordMethod }: LoginParts,
  found: RoleFound,
): Promise<boolean> => {
  const kind = script.authentication;
  if (!hasPassword(found) || kind === 'gss' || kind === 'sspi' || kind === 'oauthbearer') return false;
  const method = kind === 'azure' ? 'scram' : kind === 'scram-plus' ? 'trust' : kind;
  await usePasswordMethod(found, method);
  return method !== 'trust';
};

const hasPassword = (found: RoleFound): found is PasswordRole => typeof found !== 'string' && 'oid' in found;

/**
 * Asks the client who it is and judges the answer. Rejects with {@link LoginRefused}, or with the reader's errors
 * if the client breaks off. `onPassword` is called when any answer has come; it may refuse the login, too.
 */
export const authenticate = async (
  parts: LoginParts,
  stream: Duplex,
  candidate: Candidate,
  onPassword: () => void,
): Promise<LoginGranted> => {
  const { script, findRole } = parts;
  const { role, found } = candidate;
  const kind = script.authentication === 'azure' ? 'cleartext' : script.authentication;
  if (kind === 'trust') return { tokenId: undefined };
  if (kind === 'oauthbearer') return takeBearer(parts, stream, candidate, onPassword);
  if (kind === 'scram-plus' && hasPassword(found)) {
    // Read again: what was stored for MD5 has been stored anew.
    const current = await findRole(role);
    const verifier = hasPassword(current) ? current.verifier : '';
    if (await provesPassword(stream, verifier, onPassword)) return { tokenId: undefined };
    throw new LoginRefused(loginRefusals.passwordWrong(role));
  }
  stream.write(requests[kind]());
  const answer = await readMessage(stream, longestPassword);
  if (answer.type !== 'p') throw new LoginRefused(loginRefusals.expectedPassword(answer.type));
  onPassword();
  if (kind !== 'cleartext') throw new LoginRefused(loginRefusals.passwordWrong(role));
  const { id } = await judgeToken(parts, candidate, () => readPassword(answer.body));
  return { tokenId: id };
};

/** Who wants to log in. */
export interface Candidate {
  readonly role: string;
  readonly found: RoleFound;
}

/**
 * The token, once it is good and of the principal that the role is mapped to. Rejects with {@link LoginRefused}.
 * `read` is only asked for a role that takes tokens.
 */
export const judgeToken = async (
  { checkToken }: Pick<LoginParts, 'checkToken'>,
  { role, found }: Candidate,
  read: () => string,
): Promise<VerifiedToken> => {
  if (found === 'missing') throw new LoginRefused(loginRefusals.roleMissing(role));
  if (found === 'unmapped' || hasPassword(found)) throw new LoginRefused(loginRefusals.passwordWrong(role));
  const token = await checkToken(read());
  if (token.objectId !== found.objectId) throw new LoginRefused(loginRefusals.principalWrong(role), token.id);
  return token;
};

/** Like PostgreSQL, tells the client what is wanted, and not what was wrong. */
const takeBearer = async (
  parts: LoginParts,
  stream: Duplex,
  candidate: Candidate,
  onPassword: () => void,
): Promise<LoginGranted> => {
  const bearer = await readBearer(stream, longestPassword);
  onPassword();
  try {
    const { id } = await judgeToken(parts, candidate, () => bearer);
    return { tokenId: id };
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error;
    await sendDemand(stream, parts.demand);
    throw new LoginRefused(loginRefusals.bearerRefused(candidate.role), error.tokenId);
  }
};

/** The text of a PasswordMessage: one string with a zero byte at its end. */
const readPassword = (body: Buffer): string => {
  if (body.length === 0 || body.indexOf(0) !== body.length - 1) {
    throw new LoginRefused(loginRefusals.protocolViolation('invalid password packet size'));
  }
  if (body.length === 1) throw new LoginRefused(loginRefusals.emptyPassword());
  return body.subarray(0, -1).toString('utf8');
};
