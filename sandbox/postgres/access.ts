import type { BearerDemand } from '../gate/oauth-bearer.js';
import { quoteIdentifier, type QueryRows } from './query.js';

/** How PostgreSQL asks for a password (methods `scram-sha-256`, `md5`, `password` of pg_hba.conf), or that it does not. */
export type PasswordMethod = 'scram' | 'md5' | 'cleartext' | 'trust';

/** The group whose members PostgreSQL asks by a method. */
export const passwordGroups = {
  scram: 'sandbox_login_scram',
  md5: 'sandbox_login_md5',
  cleartext: 'sandbox_login_cleartext',
} as const satisfies Partial<Record<PasswordMethod, string>>;

/** Rules of pg_hba.conf: members of a group are asked by its method, everybody else is let in. */
export const accessRules = `local all +${passwordGroups.cleartext} password
local all +${passwordGroups.md5} md5
local all +${passwordGroups.scram} scram-sha-256
local all all trust
`;

/** Every role that has a password. */
export const passwordRoles = 'sandbox_password_roles';

/**
 * Rules for clients that come over TCP: TLS only; who has a password proves it by SCRAM, all others give a token of
 * this issuer, whose principal the validator compares with that of the role.
 */
export const tcpAccessRules = ({ issuer, scope }: BearerDemand): string =>
  `hostssl all +${passwordRoles} 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 oauth issuer="${issuer}" scope="${scope}" delegate_ident_mapping=1
`;

/** Lets a role create objects in the database, and in its schema `public`. */
export const allowWork = async (query: QueryRows, role: string, database: string): Promise<void> => {
  const grantee = quoteIdentifier(role);
  await query(`grant connect, create, temporary on database ${quoteIdentifier(database)} to ${grantee}`);
  await query(`grant usage, create on schema public to ${grantee}`, [], { database });
};
