import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createDirectory, type Directory, type DirectoryApplication } from './authority/directory.js';
import { databaseResource } from './authority/access-token.js';
import { endpointsOf as authorityEndpoints } from './authority/discovery.js';
import type { AuthorityRequest } from './authority/request-log.js';
import { BoundedLog } from './bounded-log.js';
import { federatedCredential, makeIssuerKeys, startCloud, type Cloud, type CloudParts } from './cloud.js';
import { readyConnections } from './connections.js';
import { startControlServer } from './control-server.js';
import { databaseName, noDatabase, startDatabase, type Database } from './database.js';
import type { GateCancel, GateLogin } from './gate/login-log.js';
import type { BearerDemand } from './gate/oauth-bearer.js';
import { startGate, type Gate } from './gate/server.js';
import { createTokenCheck } from './gate/token-check.js';
import { appServicePath } from './managed-identity/app-service.js';
import { databaseAudience, endpointsOf, scopes } from './openid/discovery.js';
import { prepareOAuth, type OAuth } from './oauth/endpoint.js';
import { makePlace, type Place } from './place.js';
import { startProxy } from './proxy/server.js';
import type { Application, ApplicationRequest, Sandbox, SandboxOptions } from './sandbox.js';
import { createControl } from './scripted-control.js';
import { defaultScript } from './script.js';
import { TokenRegister } from './tokens/token-register.js';
import { makeTrust, type Trust } from './trust.js';
import { Undoing } from './undoing.js';

const tenantDomain = 'contoso.example';
const tenantName = 'Contoso';

/** The roles of the ready-made principals. */
const roles = {
  application: 'flow_reader',
  systemAssigned: 'machine_reader',
  userAssigned: 'identity_reader',
  openId: 'openid_reader',
  password: 'password_reader',
} as const;

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

  progress('making certificates, services and a database cluster');
  const place = await makePlace(options.temporaryDirectory ?? os.tmpdir(), undoing);
  const directory = createDirectory(tenantDomain, tenantName);
  const log = new BoundedLog<AuthorityRequest>();
  const logins = new BoundedLog<GateLogin>();
  const cancels = new BoundedLog<GateCancel>();
  const register = new TokenRegister();
  const cloudParts = { directory, script: script.cloud, log, register, now };
  // The server waits for its listener only when its cluster is made.
  const preparing = startServices(cloudParts, place, undoing).then(async (services) => {
    const judges = {
      checkToken: createTokenCheck(services.cloud.issuers, register, now),
      findRole: async (role: string) => (await databaseStarting).findRole(role),
      demand: demandOf(services.cloud, directory),
    };
    const oauth: OAuth =
      options.skipPostgres === true
        ? { off: 'it is a part of PostgreSQL, which does not run' }
        : await prepareOAuth(
            place,
            {
              ...judges,
              certificate: await services.trust.serverCertificates.pem('valid'),
              record: (login) => logins.add(login),
              now,
            },
            undoing,
          );
    return { ...services, judges, oauth };
  });
  const listening = preparing.then(({ oauth }) => ('off' in oauth ? undefined : oauth.listener));
  const databaseStarting: Promise<Database> =
    options.skipPostgres === true
      ? Promise.resolve(noDatabase())
      : startDatabase(place, directory, options, listening, undoing);
  // If one fails, the other must have ended before we undo what it does.
  await Promise.allSettled([databaseStarting, listening]);
  const [database, { cloud, trust, judges, oauth }] = await Promise.all([databaseStarting, preparing]);

  if ('off' in oauth) progress(`PostgreSQL's own OAuth endpoint is off: ${oauth.off}`);
  const gate = await startGate({
    ...judges,
    tls: await trust.serverCertificates.pem('valid'),
    backend: database.postgres?.socket,
    usePasswordMethod: (role, method) => database.usePasswordMethod(role, method),
    script: script.gate,
    log: logins,
    cancels,
    now,
  });
  undoing.add(() => gate.close());
  const proxyAccount = { user: 'flows', password: randomBytes(18).toString('base64url') };
  const proxy = await startProxy(proxyAccount, script.proxy);
  undoing.add(() => proxy.close());

  const application = registerApplication(directory, cloud, trust);
  const passwordRole = { user: roles.password, password: randomBytes(18).toString('base64url') };
  await enrolAll(database, cloud, application, passwordRole);
  const tokenFile = path.join(place.directory, 'federated-token');
  await writeFile(tokenFile, await cloud.federation.issueToken({ lifetimeSeconds: 86_400 }), { mode: 0o600 });

  const { postgres } = database;
  const control = createControl({
    script,
    cloud,
    log,
    register,
    gate,
    logins,
    cancels,
    proxy,
    postgres,
    trust,
    directory,
    application,
    now,
  });
  const controlServer = await startControlServer(control);
  undoing.add(() => controlServer.close());
  progress('ready');

  return {
    ...describeServers({ cloud, gate, trust, database, oauth }),
    tenantId: directory.tenant.id,
    tenantDomain,
    clientId: application.clientId,
    clientSecret: application.credentials.firstSecret,
    objectId: application.objectId,
    role: roles.application,
    database: databaseName,
    certificates: trust.files,
    connections: readyConnections({
      port: gate.port,
      oauthPort: 'off' in oauth ? undefined : oauth.listener.port,
      database: databaseName,
      authorityUrl: cloud.authority.origin,
      tenant: tenantDomain,
      caFile: trust.caFile,
      clientId: application.clientId,
      clientSecret: application.credentials.firstSecret,
      role: roles.application,
      certificates: trust.files,
      assertionFile: tokenFile,
      openId: describeOpenId(cloud),
      managedIdentityRole: roles.systemAssigned,
      passwordRole,
    }),
    federation: {
      ...federatedCredential(cloud.federation),
      tokenFile,
      issueToken: (request) => cloud.federation.issueToken(request),
    },
    managedIdentity: describeManagedIdentity(cloud),
    openId: describeOpenId(cloud),
    passwordRole,
    proxy: { url: proxy.url, ...proxyAccount },
    control,
    controlUrl: controlServer.url,
    serverCertificates: trust.serverCertificates,
    query: (sql, values, { database: name = databaseName } = {}) =>
      database.query(sql, values, { database: name }),
    addApplication: (request) => addApplication(directory, database, request),
    directory: place.directory,
    close: () => undoing.run(),
  };
};

/** Starts whatever gives tokens, with the certificates and keys that it needs. */
const startServices = async (
  parts: CloudParts,
  place: Place,
  undoing: Undoing,
): Promise<{ readonly trust: Trust; readonly cloud: Cloud }> => {
  const [trust, keys] = await Promise.all([makeTrust(place.directory), makeIssuerKeys()]);
  return { trust, cloud: await startCloud(parts, keys, trust, undoing) };
};

/** What a server says by OAUTHBEARER that wants tokens of the tenant. */
const demandOf = ({ authority }: Cloud, { tenant }: Directory): BearerDemand => {
  const { issuer } = authorityEndpoints(authority.origin, tenant.id);
  return { issuer, scope: `${databaseResource}/.default` };
};

const registerApplication = (directory: Directory, cloud: Cloud, trust: Trust): DirectoryApplication => {
  const { registered, expired } = trust.appCertificates;
  return directory.register({
    displayName: 'flow-reader',
    certificates: [registered.pem, expired.pem],
    federated: [federatedCredential(cloud.federation)],
  });
};

/** Gives every ready-made principal its role, one after the other: two at once would change the same grants. */
const enrolAll = async (
  database: Database,
  { managedIdentity: { systemAssigned, userAssigned }, openId: { client } }: Cloud,
  application: DirectoryApplication,
  passwordRole: Sandbox['passwordRole'],
): Promise<void> => {
  await database.enrol({ ...application, role: roles.application });
  await database.enrol({ ...systemAssigned, displayName: 'flow-machine', role: roles.systemAssigned });
  await database.enrol({ ...userAssigned, displayName: 'flow-identity', role: roles.userAssigned });
  await database.enrol({ displayName: client.id, objectId: client.subject, role: roles.openId });
  await database.createPasswordRole(passwordRole.user, passwordRole.password);
};

const describeServers = ({
  cloud,
  gate,
  trust,
  database: { postgres },
  oauth,
}: {
  readonly cloud: Cloud;
  readonly gate: Gate;
  readonly trust: Trust;
  readonly database: Database;
  readonly oauth: OAuth;
}): Pick<Sandbox, 'authority' | 'gate' | 'oauth' | 'oauthOff' | 'postgres'> => ({
  authority: {
    url: cloud.authority.origin,
    host: new URL(cloud.authority.origin).host,
    port: cloud.authority.port,
    caFile: trust.caFile,
    ca: trust.authority.pem,
  },
  gate: { host: gate.host, port: gate.port },
  oauth: 'off' in oauth ? undefined : { host: 'localhost', port: oauth.listener.port },
  oauthOff: 'off' in oauth ? oauth.off : undefined,
  postgres: postgres && {
    socketDirectory: postgres.socketDirectory,
    port: postgres.port,
    superuser: `host=${postgres.socketDirectory} port=${postgres.port} user=postgres dbname=${databaseName}`,
  },
});

const describeManagedIdentity = ({ managedIdentity }: Cloud): Sandbox['managedIdentity'] => {
  const { origin, header, systemAssigned, userAssigned } = managedIdentity;
  return {
    appService: { endpoint: `${origin}${appServicePath}`, header },
    imds: { endpoint: origin },
    clientId: systemAssigned.clientId,
    objectId: systemAssigned.objectId,
    role: roles.systemAssigned,
    userAssigned: {
      clientId: userAssigned.clientId,
      objectId: userAssigned.objectId,
      role: roles.userAssigned,
    },
  };
};

const describeOpenId = ({ openId: { origin, client } }: Cloud): Sandbox['openId'] => {
  const { issuer, token_endpoint: tokenEndpoint } = endpointsOf(origin);
  return {
    issuer,
    tokenEndpoint,
    clientId: client.id,
    clientSecret: client.secret,
    objectId: client.subject,
    role: roles.openId,
    scope: scopes[0],
    audience: databaseAudience,
  };
};

const addApplication = async (
  directory: Directory,
  database: Database,
  { role, admin = false, ...registration }: ApplicationRequest,
): Promise<Application> => {
  const { clientId, objectId, displayName, credentials } = directory.register(registration);
  await database.enrol({ displayName, objectId, role, admin });
  return { clientId, clientSecret: credentials.firstSecret, objectId, displayName, role };
};
