import type tls from 'node:tls';
import { keyFor, selfSign, type CertificateAuthority, type IssuedCertificate } from './certificates.js';

/** Every {@link ServerCertificateKind}. */
export const serverCertificateKinds = [
  'valid',
  'wrong-host',
  'expired',
  'self-signed',
  'unknown-ca',
] as const;

/**
 * A server certificate, good or wrong in one way: `valid`; for another host name (`wrong-host`); past its
 * validity (`expired`); signed by itself (`self-signed`); right in all but its CA, which nobody trusts (`unknown-ca`).
 */
export type ServerCertificateKind = (typeof serverCertificateKinds)[number];

/** Every {@link TlsVersion}. */
export const tlsVersions = ['current', 'TLSv1.1', 'TLSv1'] as const;

/** What a server speaks: TLS 1.2 and 1.3 (`current`), or one of the versions that RFC 8996 forbids, and no other. */
export type TlsVersion = (typeof tlsVersions)[number];

/** The options by which a server speaks this version. */
export const tlsOptions = (version: TlsVersion): tls.SecureContextOptions =>
  version === 'current' ? {} : { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };

/** Gives key and certificate for each kind of server certificate; all share one RSA key, each is made when first asked for. */
export interface ServerCertificates {
  /** Key and certificate (with the CA behind it) of that kind as PEM. */
  pem(kind: ServerCertificateKind): Promise<{ readonly key: string; readonly cert: string }>;
}

const hosts = ['localhost', '127.0.0.1'];
const dayMs = 86_400_000;

/** Server certificates for localhost and 127.0.0.1 under this CA. */
export const createServerCertificates = async (
  authority: CertificateAuthority,
  createOtherAuthority: () => Promise<CertificateAuthority>,
): Promise<ServerCertificates> => {
  const key = await keyFor('servers');
  const issue: Record<ServerCertificateKind, () => Promise<IssuedCertificate>> = {
    valid: () => authority.issue({ commonName: 'localhost', hosts, key }),
    'wrong-host': () =>
      authority.issue({ commonName: 'elsewhere.example', hosts: ['elsewhere.example'], key }),
    expired: () =>
      authority.issue({ commonName: 'localhost', hosts, key, notAfter: new Date(Date.now() - dayMs) }),
    'self-signed': () => selfSign({ commonName: 'localhost', hosts, key }),
    'unknown-ca': async () => (await createOtherAuthority()).issue({ commonName: 'localhost', hosts, key }),
  };
  const made = new Map<ServerCertificateKind, Promise<IssuedCertificate>>();
  const once = (kind: ServerCertificateKind): Promise<IssuedCertificate> => {
    const known = made.get(kind) ?? issue[kind]();
    made.set(kind, known);
    return known;
  };
  const pem = async (kind: ServerCertificateKind) => {
    const certificate = await once(kind);
    return { key: certificate.keyPem, cert: certificate.pem + certificate.chainPem };
  };
  return { pem };
};
