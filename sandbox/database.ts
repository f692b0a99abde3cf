import path from 'node:path';
import type { Directory, DirectoryApplication } from './authority/directory.js';
import type { RoleFound } from './gate/login.js';
import type { Place } from './place.js';
import { locatePackage, prepareBinaries } from './postgres/binaries.js';
import { installPasswordRoles, type PasswordRoles } from './postgres/password-roles.js';
import {
  addPrincipal,
  createDatabase,
  createRole,
  findRole,
  installPrincipals,
} from './postgres/principals.js';
import type { QueryRows } from './postgres/query.js';
import { startPostgres, type Listener, type Postgres } from './postgres/server.js';
import type { SandboxOptions } from './sandbox.js';
import type { Undoing } from './undoing.js';

/** The database that the ready-made roles may work in. */
export const databaseName = 'flows';

/** A principal that gets a role. */
export interface Enrolment {
  readonly displayName: string;
  readonly objectId: string;
  /** None when absent. */
  readonly role?: string | undefined;
  readonly admin?: boolean;
}

/** The real server with Azure's functions and our roles; or the roles alone, when it is left out. */
export interface Database {
  /** Undefined when it is left out. */
  readonly postgres: Postgres | undefined;
  readonly query: QueryRows;
  /** Makes a principal known to the server and gives it the role that it asks for. */
  enrol(enrolment: Enrolment): Promise<void>;
  createPasswordRole(role: string, password: string): Promise<void>;
  findRole(role: string): Promise<RoleFound>;
  usePasswordMethod(...change: Parameters<PasswordRoles['use']>): Promise<void>;
}

/** A new server with its database. */
export const startDatabase = async (
  { postgres: directory, socket: socketDirectory, account }: Place,
  { tenant }: Directory,
  { postgresSettings = {} }: SandboxOptions,
  listener: Promise<Listener | undefined>,
  undoing: Undoing,
): Promise<Database> => {
  const binaries = await prepareBinaries(locatePackage(), path.join(directory, 'programs'), account);
  const postgres = await startPostgres({
    binaries,
    account,
    directory,
    socketDirectory,
    settings: postgresSettings,
    listener,
  });
  undoing.add(() => postgres.stop());
  const { query } = postgres;
  await installPrincipals(query, tenant.id);
  await createDatabase(query, databaseName);
  const passwordRoles = await installPasswordRoles(query);
  return {
    postgres,
    query,
    enrol: async ({ displayName, objectId, role, admin = false }) => {
      await addPrincipal(query, displayName, objectId);
      if (role !== undefined) await createRole(query, { role, objectId, admin, database: databaseName });
    },
    createPasswordRole: (role, password) => passwordRoles.create(role, password, databaseName),
    findRole: (role) => findRole(query, role),
    usePasswordMethod: (role, method) => passwordRoles.use(role, method),
  };
};

/** The roles without a server behind them. */
export const noDatabase = (): Database => {
  const roles = new Map<string, Pick<DirectoryApplication, 'objectId'>>();
  return {
    postgres: undefined,
    query: () => Promise.reject(new Error('the sandbox runs without PostgreSQL')),
    enrol: async ({ role, objectId }) => {
      if (role !== undefined) roles.set(role, { objectId });
    },
    createPasswordRole: async () => undefined,
    findRole: async (role) => roles.get(role) ?? 'missing',
    usePasswordMethod: async () => undefined,
  };
};
