import type tls from 'node:tls';
import type { TlsServer } from './control.js';
import {
  tlsOptions,
  type ServerCertificateKind,
  type ServerCertificates,
  type TlsVersion,
} from './server-certificates.js';

/** A server that can change how it speaks TLS. */
export interface TlsSpeaker {
  setTls(options: tls.SecureContextOptions): void;
}

/** Which certificate and which versions each server uses. */
export interface TlsControl {
  setCertificate(server: TlsServer, kind: ServerCertificateKind): Promise<void>;
  setVersion(server: TlsServer, version: TlsVersion): Promise<void>;
  /** Makes every server use its good certificate and the current versions. */
  reset(): Promise<void>;
}

interface State {
  kind: ServerCertificateKind;
  version: TlsVersion;
}

/** The control of these servers, which start with a good certificate and the current versions. */
export const createTlsControl = (
  servers: Readonly<Record<TlsServer, TlsSpeaker>>,
  certificates: ServerCertificates,
): TlsControl => {
  const usual: State = { kind: 'valid', version: 'current' };
  const states = new Map<TlsServer, State>();
  const change = async (server: TlsServer, changes: Partial<State>): Promise<void> => {
    const state = { ...(states.get(server) ?? usual), ...changes };
    states.set(server, state);
    servers[server].setTls({ ...(await certificates.pem(state.kind)), ...tlsOptions(state.version) });
  };
  return {
    setCertificate: (server, kind) => change(server, { kind }),
    setVersion: (server, version) => change(server, { version }),
    reset: async () => {
      await Promise.all([...states.keys()].map((server) => change(server, usual)));
      states.clear();
    },
  };
};
