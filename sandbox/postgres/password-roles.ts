import { allowWork, passwordGroups, passwordRoles, type PasswordMethod } from './access.js';
import { quoteIdentifier, quoteLiteral, type QueryRows } from './query.js';

/** A role that has a password. */
export interface PasswordRole {
  readonly role: string;
  /** Its number in the catalog: a role of the same name that is made later is another one. */
  readonly oid: number;
  /** What PostgreSQL stores in the place of the password. */
  readonly verifier: string;
}

/** Roles that log in with a password. */
export interface PasswordRoles {
  /** Creates a role with this password, which may work in the database. */
  create(role: string, password: string, database: string): Promise<void>;
  /** Makes PostgreSQL ask the role in this way from now on. */
  use(role: PasswordRole, method: PasswordMethod): Promise<void>;
}

const groups = Object.values(passwordGroups);

/** The password roles of a server, whose groups are made here. */
export const installPasswordRoles = async (query: QueryRows): Promise<PasswordRoles> => {
  await query([passwordRoles, ...groups].map((group) => `create role ${group} nologin`).join('; '));
  const passwords = new Map<string, string>();
  const states = new Map<number, { readonly method: PasswordMethod; readonly settled: Promise<void> }>();
  return {
    create: async (role, password, database) => {
      const name = quoteIdentifier(role);
      await query(`create role ${name} login password ${quoteLiteral(password)}`);
      await query(`grant ${passwordRoles} to ${name}`);
      await allowWork(query, role, database);
      passwords.set(role, password);
    },
    use: ({ role, oid }, method) => {
      const state = states.get(oid);
      if (state?.method === method) return state.settled;
      // One change after the other: two at once on the same role would fail.
      const before = state?.settled.catch(() => undefined) ?? Promise.resolve();
      const settled = before.then(() => change(query, role, { method, password: passwords.get(role) }));
      states.set(oid, { method, settled });
      settled.catch(() => states.delete(oid));
      return settled;
    },
  };
};

/** MD5 needs the password stored as MD5, which only who knows it can do; PostgreSQL asks for SCRAM otherwise. */
const change = async (
  query: QueryRows,
  role: string,
  { method, password }: { readonly method: PasswordMethod; readonly password: string | undefined },
): Promise<void> => {
  const name = quoteIdentifier(role);
  const encryption = method === 'md5' ? 'md5' : 'scram-sha-256';
  const grant = method === 'trust' ? [] : [`grant ${passwordGroups[method]} to ${name}`];
  const store =
    password === undefined
      ? []
      : [
          `set local password_encryption = '${encryption}'`,
          `alter role ${name} password ${quoteLiteral(password)}`,
        ];
  // Several statements in one query are one transaction.
  await query([`revoke ${groups.join(', ')} from ${name}`, ...grant, ...store].join('; '));
};
