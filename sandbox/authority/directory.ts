import { X509Certificate, createHash, randomBytes, randomUUID } from 'node:crypto';

/** A tenant, reachable by its id and by its domain name. */
export interface Tenant {
  /** GUID, lower case. */
  readonly id: string;
  readonly domain: string;
  readonly displayName: string;
}

/** A certificate registered on an app. */
export interface RegisteredCertificate {
  readonly certificate: X509Certificate;
  /** Digests of its DER form as base64url: JWS `x5t` and `x5t#S256`. */
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
}

/** An app registration together with its service principal in the tenant. */
export interface DirectoryApplication {
  readonly clientId: string;
  /** Object id of the service principal. */
  readonly objectId: string;
  readonly displayName: string;
  readonly clientSecret: string;
  readonly certificates: readonly RegisteredCertificate[];
}

/** The tenant and its apps. */
export interface Directory {
  readonly tenant: Tenant;
  /** The tenant for the path segment that named it, by GUID or by domain, letter case ignored; undefined if unknown. */
  findTenant(name: string): Tenant | undefined;
  findApplication(clientId: string): DirectoryApplication | undefined;
  register(displayName: string, certificates?: readonly string[]): DirectoryApplication;
}

/** A directory with one tenant and no app; ids and secrets are random. */
export const createDirectory = (domain: string, displayName: string): Directory => {
  const tenant: Tenant = { id: randomUUID(), domain, displayName };
  const applications = new Map<string, DirectoryApplication>();
  const register = (name: string, certificates: readonly string[] = []): DirectoryApplication => {
    const application: DirectoryApplication = {
      clientId: randomUUID(),
      objectId: randomUUID(),
      displayName: name,
      clientSecret: randomSecret(),
      certificates: certificates.map(registeredCertificate),
    };
    applications.set(application.clientId, application);
    return application;
  };
  const findTenant = (name: string): Tenant | undefined =>
    [tenant.id, tenant.domain].includes(name.toLowerCase()) ? tenant : undefined;
  return {
    tenant,
    findTenant,
    findApplication: (clientId) => applications.get(clientId.toLowerCase()),
    register,
  };
};

const registeredCertificate = (pem: string): RegisteredCertificate => {
  const certificate = new X509Certificate(pem);
  const digest = (algorithm: string) => createHash(algorithm).update(certificate.raw).digest('base64url');
  return { certificate, thumbprintSha1: digest('sha1'), thumbprintSha256: digest('sha256') };
};

/** 40 characters, shaped like Entra's: the version mark `8Q~` and letters from [A-Za-z0-9._~-]. */
const randomSecret = (): string => {
  const letters = randomBytes(48).toString('base64url');
  return `${letters.slice(0, 3)}8Q~${letters.slice(3, 20)}.${letters.slice(20, 35)}~`;
};
