import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox } from './index.js';

const usage = `Usage: npm run sandbox [-- --json]

Starts a stand-in for the cloud on this machine: an Entra-like authority, PostgreSQL 18, and a login gate in front
of it that takes an access token as password, like Azure Database for PostgreSQL. It stays up until Ctrl-C, then
leaves nothing behind.

  --json    print one line of JSON for a program to read; progress goes to stderr
  --help    print this
`;

/** The one-line description that other programs read; the names are a contract (design.md section 4). */
const describeAsJson = (sandbox: Sandbox): string =>
  JSON.stringify({
    control: sandbox.controlUrl,
    authority: sandbox.authority.url,
    tenantId: sandbox.tenantId,
    tenantDomain: sandbox.tenantDomain,
    caFile: sandbox.authority.caFile,
    gate: sandbox.gate,
    oauth: sandbox.oauth ?? null,
    superuser: sandbox.postgres?.superuser,
    clientId: sandbox.clientId,
    clientSecret: sandbox.clientSecret,
    role: sandbox.role,
    certificates: {
      pem: sandbox.certificates.pem,
      pfx: sandbox.certificates.pfx,
      pfxPassword: sandbox.certificates.pfxPassword,
      jks: sandbox.certificates.jks,
      jksPassword: sandbox.certificates.jksPassword,
    },
    connections: sandbox.connections,
    federation: sandbox.federation,
    managedIdentity: sandbox.managedIdentity,
    openId: sandbox.openId,
    passwordRole: sandbox.passwordRole,
    proxy: sandbox.proxy,
  });

const describeToPeople = (sandbox: Sandbox): string => `
A stand-in for the cloud is up, on this machine only.

  authority   ${sandbox.authority.url}   tenant ${sandbox.tenantDomain} (${sandbox.tenantId})
  gate        ${sandbox.gate.host}:${sandbox.gate.port}   TLS, access token as password
  oauth       ${sandbox.oauth ? `${sandbox.oauth.host}:${sandbox.oauth.port}   TLS, access token by SASL OAUTHBEARER` : `off: ${sandbox.oauthOff}`}
  CA          ${sandbox.authority.caFile}
  control     ${sandbox.controlUrl}   (see sandbox/README.md)
  superuser   psql '${sandbox.postgres?.superuser ?? ''}'

Connection strings, complete:

  with a client secret
  ${sandbox.connections.secret}

  with a certificate (PEM)
  ${sandbox.connections.certificatePem}

  with a certificate (PFX)
  ${sandbox.connections.certificatePfx}

  with a certificate (JKS)
  ${sandbox.connections.certificateJks}

  with a federated token (workload identity)
  ${sandbox.connections.workloadIdentity}

  with a managed identity; set IDENTITY_ENDPOINT=${sandbox.managedIdentity.appService.endpoint}
  and IDENTITY_HEADER=${sandbox.managedIdentity.appService.header}
  ${sandbox.connections.managedIdentity}

  with the secret of a generic OpenID provider
  ${sandbox.connections.openId}

  with a password
  ${sandbox.connections.password}
${sandbox.connections.oauthbearer === undefined ? '' : `\n  with a client secret, at PostgreSQL's own OAuth endpoint\n  ${sandbox.connections.oauthbearer}\n`}
Ctrl-C stops it and removes its files.
`;

/** What the command line asks for; undefined if it cannot be understood, which has then been said. */
const readArguments = (): { readonly json: boolean; readonly help: boolean } | undefined => {
  const options = {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
};

/** Resolves when somebody asks the process to end. */
const endAsked = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });

const run = async (json: boolean): Promise<void> => {
  const ended = endAsked();
  const sandbox = await startSandbox({ progress: (line) => process.stderr.write(`sandbox: ${line}\n`) });
  process.stdout.write(json ? `${describeAsJson(sandbox)}\n` : describeToPeople(sandbox));
  await ended;
  await sandbox.close();
};

const main = async (): Promise<number> => {
  const wanted = readArguments();
  if (wanted === undefined) return 2;
  if (wanted.help) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    await run(wanted.json);
    return 0;
  } catch (error) {
    process.stderr.write(`sandbox: ${(error as Error).message}\n`);
    return 1;
  }
};

void main().then((code) => {
  process.exitCode = code;
});
