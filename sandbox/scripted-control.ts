import { entraClaims } from './authority/access-token.js';
import type { Directory, DirectoryApplication } from './authority/directory.js';
import type { AuthorityRequest } from './authority/request-log.js';
import type { BoundedLog } from './bounded-log.js';
import type { Cloud } from './cloud.js';
import type { Control } from './control.js';
import type { GateCancel, GateLogin } from './gate/login-log.js';
import type { Gate } from './gate/server.js';
import type { Postgres } from './postgres/server.js';
import type { Proxy } from './proxy/server.js';
import { resetScript, type Script } from './script.js';
import { createTlsControl } from './tls-control.js';
import type { TokenRegister } from './tokens/token-register.js';
import type { Trust } from './trust.js';

/** The running parts that a control acts on. */
export interface ControlledParts {
  readonly script: Script;
  readonly cloud: Cloud;
  readonly log: BoundedLog<AuthorityRequest>;
  readonly register: TokenRegister;
  readonly gate: Gate;
  readonly logins: BoundedLog<GateLogin>;
  readonly cancels: BoundedLog<GateCancel>;
  readonly proxy: Proxy;
  readonly postgres: Postgres | undefined;
  readonly trust: Trust;
  readonly directory: Directory;
  /** The app that `issueToken` makes tokens for. */
  readonly application: DirectoryApplication;
  /** ms since the epoch, moves included. */
  readonly now: () => number;
}

/** The control of these parts. */
export const createControl = (parts: ControlledParts): Control => {
  const { script, cloud, gate, logins, cancels, proxy, log } = parts;
  const servers = { ...cloud, gate };
  const tls = createTlsControl(servers, parts.trust.serverCertificates);
  const setReachable: Control['setReachable'] = (server, reachable) =>
    servers[server].setReachable(reachable);
  return {
    ...tokenControl(parts),
    ...credentialControl(parts),
    addFaults: (...faults) => script.cloud.faults.add(faults),
    clearFaults: () => {
      const left = script.cloud.faults.size;
      script.cloud.faults.clear();
      return left;
    },
    moveClock: (seconds) => void (script.clockOffsetMs += seconds * 1000),
    requests: () => log.entries,
    tokenRequestCount: (service) =>
      log.entries.filter(
        ({ kind, service: actual = 'authority' }) => kind === 'token' && actual === (service ?? actual),
      ).length,
    clearRequests: () => log.clear(),
    logins: () => logins.entries,
    clearLogins: () => logins.clear(),
    cancels: () => cancels.entries,
    setAuthentication: (kind) => void (script.gate.authentication = kind),
    refuseLogins: (count, refusal) =>
      void (script.gate.refusals = [...script.gate.refusals, ...Array<typeof refusal>(count).fill(refusal)]),
    setPlaintextOnly: (plaintextOnly) => void (script.gate.plaintextOnly = plaintextOnly),
    setCertificate: (server, kind) => tls.setCertificate(server, kind),
    setTlsVersion: (server, version) => tls.setVersion(server, version),
    setReachable,
    setProxyMode: (mode) => void (script.proxy.mode = mode),
    proxyRequests: () => proxy.log.entries,
    dropSessions: () => gate.dropConnections(),
    restartPostgres: async () => {
      if (parts.postgres === undefined) throw new Error('the sandbox runs without PostgreSQL');
      await parts.postgres.restart();
    },
    reset: async () => {
      resetScript(script);
      for (const { credentials } of parts.directory.applications) credentials.reset();
      for (const entries of [log, logins, cancels, proxy.log]) entries.clear();
      const names = ['authority', 'openId', 'managedIdentity', 'gate'] as const;
      await Promise.all([tls.reset(), ...names.map((name) => setReachable(name, true))]);
    },
  };
};

/** The operations on tokens and on the documents about them. */
const tokenControl = ({ script, cloud, register, directory, application, now }: ControlledParts) =>
  ({
    setTokenLifetime: (seconds) => void (script.cloud.tokenLifetimeSeconds = seconds),
    setTokenFormat: (format) => void (script.cloud.tokenFormat = format),
    overrideTokenResponse: (overrides) => void (script.cloud.tokenResponse = overrides),
    overrideClaims: (overrides) => void (script.cloud.claims = overrides),
    overrideDiscovery: (overrides) => void (script.cloud.discovery = overrides),
    overrideHeaders: (overrides) => void (script.cloud.headers = overrides),
    revoke: (token) => register.revoke(token),
    issueToken: async (request = {}) => {
      const { clientId, objectId } = application;
      const { lifetimeSeconds = script.cloud.tokenLifetimeSeconds, claims = {}, signature } = request;
      const subject = { tenantId: directory.tenant.id, clientId, objectId, credential: 'secret' } as const;
      const all = entraClaims({ ...subject, lifetimeSeconds, now: now() });
      return (await cloud.mint.issue(all, claims, signature)).text;
    },
    issueFederatedToken: (request) => cloud.federation.issueToken(request),
  }) satisfies Partial<Control>;

/** The operations on what apps prove themselves with. */
const credentialControl = ({ script, directory, trust, application: { credentials } }: ControlledParts) =>
  ({
    expireSecret: (expired = true, secret) => {
      if (secret === undefined) script.cloud.secretExpired = expired;
      for (const app of directory.applications)
        for (const known of app.credentials.secrets) if (known.value === secret) known.expired = expired;
    },
    addSecret: () => credentials.addSecret(),
    removeSecret: (secret) => credentials.removeSecret(secret),
    issueCertificate: ({ commonName = 'pg-entra flow reader', notBefore, notAfter } = {}) =>
      trust.authority.issue({
        commonName,
        ...(notBefore !== undefined && { notBefore: new Date(notBefore) }),
        ...(notAfter !== undefined && { notAfter: new Date(notAfter) }),
      }),
    addCertificate: (pem) => credentials.addCertificate(pem),
    removeCertificate: (pem) => credentials.removeCertificate(pem),
    expireCertificate: (pem, expired = true) => credentials.expireCertificate(pem, expired),
    setTrustedSubjects: (subjects) => void (credentials.trustedSubjects = subjects),
    setFederatedCredentials: (federated) => void (credentials.federated = federated),
  }) satisfies Partial<Control>;
