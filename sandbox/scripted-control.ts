import type { TokenMint } from './authority/access-token.js';
import type { DirectoryApplication } from './authority/directory.js';
import type { Authority } from './authority/server.js';
import type { Control } from './control.js';
import type { Gate } from './gate/server.js';
import type { Postgres } from './postgres/server.js';
import { resetScript, type Script } from './script.js';
import type { ServerCertificates } from './server-certificates.js';

/** The running parts that a control acts on. */
export interface ControlledParts {
  readonly script: Script;
  readonly authority: Authority;
  readonly gate: Gate;
  readonly postgres: Postgres | undefined;
  readonly mint: TokenMint;
  readonly certificates: ServerCertificates;
  readonly tenantId: string;
  /** The app that `issueToken` makes tokens for. */
  readonly application: DirectoryApplication;
  /** ms since the epoch, moves included. */
  readonly now: () => number;
}

/** The control of these parts. */
export const createControl = (parts: ControlledParts): Control => {
  const { script, authority, gate, mint, certificates } = parts;
  const setCertificate: Control['setCertificate'] = async (server, kind) => {
    if (server === 'gate') gate.setContext(await certificates.context(kind));
    else authority.setCertificate(await certificates.pem(kind));
  };
  return {
    setTokenLifetime: (seconds) => void (script.authority.tokenLifetimeSeconds = seconds),
    overrideTokenResponse: (overrides) => void (script.authority.tokenResponse = overrides),
    overrideClaims: (overrides) => void (script.authority.claims = overrides),
    overrideDiscovery: (overrides) => void (script.authority.discovery = overrides),
    addFaults: (...faults) => script.authority.faults.add(faults),
    clearFaults: () => {
      const left = script.authority.faults.size;
      script.authority.faults.clear();
      return left;
    },
    revoke: (token) => mint.revoke(token),
    expireSecret: (expired = true) => void (script.authority.secretExpired = expired),
    moveClock: (seconds) => void (script.clockOffsetMs += seconds * 1000),
    issueToken: async (request = {}) => {
      const { clientId, objectId } = parts.application;
      const { lifetimeSeconds = script.authority.tokenLifetimeSeconds, claims = {}, signature } = request;
      const subject = {
        tenantId: parts.tenantId,
        clientId,
        objectId,
        credential: 'secret',
        lifetimeSeconds,
      } as const;
      const token = await mint.issue({ ...subject, now: parts.now() }, claims, signature);
      return token.text;
    },
    requests: () => authority.log.entries,
    tokenRequestCount: () => authority.log.entries.filter(({ kind }) => kind === 'token').length,
    clearRequests: () => authority.log.clear(),
    logins: () => gate.log.entries,
    clearLogins: () => gate.log.clear(),
    setAuthentication: (kind) => void (script.gate.authentication = kind),
    refuseLogins: (count, refusal) =>
      void (script.gate.refusals = [...script.gate.refusals, ...Array<typeof refusal>(count).fill(refusal)]),
    setPlaintextOnly: (plaintextOnly) => void (script.gate.plaintextOnly = plaintextOnly),
    setCertificate,
    dropSessions: () => gate.dropConnections(),
    restartPostgres: async () => {
      if (parts.postgres === undefined) throw new Error('the sandbox runs without PostgreSQL');
      await parts.postgres.restart();
    },
    reset: async () => {
      resetScript(script);
      authority.log.clear();
      gate.log.clear();
      await Promise.all([setCertificate('authority', 'valid'), setCertificate('gate', 'valid')]);
    },
  };
};
