import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { issueAppCertificates, writeAppCertificates } from './app-certificates.js';
import { createTokenMint } from './authority/access-token.js';
import { createDirectory, type Directory, type DirectoryApplication } from './authority/directory.js';
import { startAuthority } from './authority/server.js';
import { createCertificateAuthority } from './certificates.js';
import { connectionString } from './connection-string.js';
import { startControlServer } from './control-server.js';
import { startGate } from './gate/server.js';
import { createTokenCheck } from './gate/token-check.js';
import type { Application, ApplicationRequest, Sandbox, SandboxOptions } from './sandbox.js';
import { canEnter, serverAccount, type Account } from './postgres/account.js';
import { locatePackage, prepareBinaries } from './postgres/binaries.js';
import {
  addPrincipal,
  createDatabase,
  createRole,
  findRole,
  installPrincipals,
} from './postgres/principals.js';
import { pidFileOf, startPostgres, type Postgres, type QueryRows } from './postgres/server.js';
import { createControl } from './scripted-control.js';
import { defaultScript } from './script.js';
import { createServerCertificates } from './server-certificates.js';
import { startWatchdog } from './watchdog.js';

const tenantDomain = 'contoso.example';
const tenantName = 'Contoso';
const role = 'flow_reader';
const database = 'flows';

/** What was started, to be undone in the opposite order. */
class Undoing {
  readonly #steps: (() => Promise<void>)[] = [];
  #done: Promise<void> | undefined;

  add(step: () => Promise<void>): void {
    this.#steps.unshift(step);
  }

  /** Undoes every step, also those after one that failed; rejects with the first failure. Only the first call counts. */
  run(): Promise<void> {
    this.#done ??= this.#runAll();
    return this.#done;
  }

  async #runAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

/** Starts the parts of a sandbox and joins them; see `startSandbox`. */
export const assembleSandbox = async (options: SandboxOptions): Promise<Sandbox> => {
  const undoing = new Undoing();
  try {
    return await assemble(options, undoing);
  } catch (error) {
    await undoing.run().catch(() => undefined);
    throw error;
  }
};

const assemble = async (options: SandboxOptions, undoing: Undoing): Promise<Sandbox> => {
  const progress = options.progress ?? (() => undefined);
  const script = defaultScript();
  const clock = options.now ?? Date.now;
  const now = (): number => clock() + script.clockOffsetMs;

  progress('making certificates and a database cluster');
  const place = await makePlace(options.temporaryDirectory ?? os.tmpdir(), undoing);
  const identity = createDirectory(tenantDomain, tenantName);
  const starting = [
    options.skipPostgres === true
      ? Promise.resolve(undefined)
      : runPostgres(place, identity, options, undoing),
    makeTrust(place),
    createTokenMint(),
  ] as const;
  // If one fails, the others must have ended before we undo what they do.
  await Promise.allSettled(starting);
  const [postgres, trust, mint] = await Promise.all(starting);
  const query = queryOf(postgres);
  const { registered, expired } = trust.appCertificates;
  const application = identity.register('flow-reader', [registered.pem, expired.pem]);
  if (postgres) await enrol(postgres.query, application, role, false);

  progress('starting the authority and the gate');
  const certificate = await trust.serverCertificates.pem('valid');
  const authority = await startAuthority({
    certificate,
    directory: identity,
    mint,
    script: script.authority,
    now,
  });
  undoing.add(() => authority.close());
  const tenantId = identity.tenant.id;
  const gate = await startGate({
    context: await trust.serverCertificates.context('valid'),
    backend: postgres?.socket,
    checkToken: createTokenCheck(mint, tenantId, now),
    findRole: postgres
      ? (name) => findRole(postgres.query, name)
      : (name) => Promise.resolve(name === role ? { objectId: application.objectId } : 'missing'),
    script: script.gate,
    now,
  });
  undoing.add(() => gate.close());
  const { serverCertificates: certificates } = trust;
  const control = createControl({
    script,
    authority,
    gate,
    postgres,
    mint,
    certificates,
    tenantId,
    application,
    now,
  });
  const controlServer = await startControlServer(control);
  undoing.add(() => controlServer.close());
  progress('ready');

  const login = {
    Server: 'localhost',
    Port: gate.port,
    Database: database,
    User: role,
    InitiateOAuth: 'GETANDREFRESH',
    AzureTenant: tenantDomain,
    OAuthGrantType: 'CLIENT',
    OAuthClientId: application.clientId,
  };
  const trusted = { AzureAuthority: authority.url, TokenCA: trust.caFile, SSLCA: trust.caFile };
  const { pem, pfx, pfxPassword } = trust.files;
  return {
    authority: {
      url: authority.url,
      host: new URL(authority.url).host,
      port: authority.port,
      caFile: trust.caFile,
      ca: trust.ca,
    },
    tenantId,
    tenantDomain,
    clientId: application.clientId,
    clientSecret: application.clientSecret,
    objectId: application.objectId,
    role,
    database,
    gate: { host: gate.host, port: gate.port },
    postgres: postgres && {
      socketDirectory: postgres.socketDirectory,
      port: postgres.port,
      superuser: `host=${postgres.socketDirectory} port=${postgres.port} user=postgres dbname=${database}`,
    },
    certificates: trust.files,
    connections: {
      secret: connectionString({ ...login, OAuthClientSecret: application.clientSecret, ...trusted }),
      certificatePem: connectionString({
        ...login,
        OAuthJWTCert: pem,
        OAuthJWTCertType: 'PEMKEY_FILE',
        ...trusted,
      }),
      certificatePfx: connectionString({
        ...login,
        OAuthJWTCert: pfx,
        OAuthJWTCertType: 'PFXFILE',
        OAuthJWTCertPassword: pfxPassword,
        ...trusted,
      }),
    },
    control,
    controlUrl: controlServer.url,
    serverCertificates: trust.serverCertificates,
    query: (sql, values, { database: other = database } = {}) => query(sql, values, { database: other }),
    addApplication: (request) => addApplication(identity, postgres, request),
    directory: place.directory,
    close: () => undoing.run(),
  };
};

/** Folders that the sandbox works in. */
interface Place {
  readonly directory: string;
  /** For PostgreSQL, owned by the account it runs as. */
  readonly postgres: string;
  readonly socket: string;
  readonly account: Account | undefined;
}

/** Longest path of a unix socket's folder; `.s.PGSQL.5432` comes behind it, and the kernel takes 103 to 107 bytes. */
const longestSocketDirectory = 85;

/**
 * New folders below `temporary`. They lie in `/tmp` instead if PostgreSQL's account cannot enter `temporary`; the
 * socket does, if its path would be too long for the kernel.
 */
const makePlace = async (temporary: string, undoing: Undoing): Promise<Place> => {
  const account = await serverAccount();
  const parent = account && !(await canEnter(temporary, account)) ? '/tmp' : path.resolve(temporary);
  const directory = await mkdtemp(path.join(parent, 'pg-entra-sandbox-'));
  undoing.add(() => removeFolder(directory));
  if (account) await chmod(directory, 0o711);
  const postgres = path.join(directory, 'postgres');
  await mkdir(postgres, { mode: 0o700 });
  const near = path.join(postgres, 'socket');
  const socket = near.length <= longestSocketDirectory ? near : await mkdtemp('/tmp/pg-entra-');
  if (socket === near) await mkdir(socket, { mode: 0o700 });
  else undoing.add(() => removeFolder(socket));
  if (account) await Promise.all([postgres, socket].map((folder) => chown(folder, account.uid, account.gid)));
  const watchdog = startWatchdog(pidFileOf(postgres), [directory, socket]);
  undoing.add(() => watchdog.dismiss());
  return { directory, postgres, socket, account };
};

const removeFolder = (directory: string): Promise<void> =>
  rm(directory, { recursive: true, force: true, maxRetries: 5 });

const runPostgres = async (
  { postgres: directory, socket: socketDirectory, account }: Place,
  { tenant }: Directory,
  { postgresSettings = {} }: SandboxOptions,
  undoing: Undoing,
): Promise<Postgres> => {
  const binaries = await prepareBinaries(locatePackage(), path.join(directory, 'programs'), account);
  const postgres = await startPostgres({
    binaries,
    account,
    directory,
    socketDirectory,
    settings: postgresSettings,
  });
  undoing.add(() => postgres.stop());
  await installPrincipals(postgres.query, tenant.id);
  await createDatabase(postgres.query, database);
  return postgres;
};

const makeTrust = async ({ directory }: Place) => {
  const authority = await createCertificateAuthority();
  const [serverCertificates, appCertificates] = await Promise.all([
    createServerCertificates(authority, () => createCertificateAuthority('unknown CA')),
    issueAppCertificates(authority),
  ]);
  const folder = path.join(directory, 'certificates');
  const files = await writeAppCertificates(folder, appCertificates);
  const caFile = path.join(folder, 'ca.pem');
  await writeFile(caFile, authority.pem);
  return { ca: authority.pem, caFile, files, serverCertificates, appCertificates };
};

const queryOf = (postgres: Postgres | undefined): QueryRows =>
  postgres?.query ?? (() => Promise.reject(new Error('the sandbox runs without PostgreSQL')));

const addApplication = async (
  identity: Directory,
  postgres: Postgres | undefined,
  { displayName, role: ownRole, admin = false }: ApplicationRequest,
): Promise<Application> => {
  const registered = identity.register(displayName);
  if (postgres) await enrol(postgres.query, registered, ownRole, admin);
  const { clientId, clientSecret, objectId } = registered;
  return { clientId, clientSecret, objectId, displayName, role: ownRole };
};

/** Makes an app known to the database server and, if asked, gives it a role. */
const enrol = async (
  query: QueryRows,
  { displayName, objectId }: DirectoryApplication,
  ownRole: string | undefined,
  admin: boolean,
): Promise<void> => {
  await addPrincipal(query, displayName, objectId);
  if (ownRole !== undefined) await createRole(query, { role: ownRole, objectId, admin, database });
};
