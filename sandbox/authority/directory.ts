import { randomUUID } from 'node:crypto';
import { Credentials, type InitialCredentials } from './credentials.js';

/** A tenant, reachable by its id and by its domain name. */
export interface Tenant {
  /** GUID, lower case. */
  readonly id: string;
  readonly domain: string;
  readonly displayName: string;
}

/** An app registration together with its service principal in the tenant. */
export interface DirectoryApplication {
  readonly clientId: string;
  /** Object id of the service principal. */
  readonly objectId: string;
  readonly displayName: string;
  /** Whether the app has a service principal in the tenant at all; without one it gets no token (AADSTS7000229). */
  readonly hasServicePrincipal: boolean;
  readonly credentials: Credentials;
}

/** What {@link Directory.register} needs. */
export interface Registration extends InitialCredentials {
  readonly displayName: string;
  /** True when absent. */
  readonly servicePrincipal?: boolean;
}

/** The tenant and its apps. */
export interface Directory {
  readonly tenant: Tenant;
  /** The tenant for the path segment that named it, by GUID or by domain, letter case ignored; undefined if unknown. */
  findTenant(name: string): Tenant | undefined;
  findApplication(clientId: string): DirectoryApplication | undefined;
  register(registration: Registration): DirectoryApplication;
  readonly applications: Iterable<DirectoryApplication>;
}

/** A directory with one tenant and no app; ids and secrets are random. */
export const createDirectory = (domain: string, displayName: string): Directory => {
  const tenant: Tenant = { id: randomUUID(), domain, displayName };
  const applications = new Map<string, DirectoryApplication>();
  return {
    tenant,
    findTenant: (name) => ([tenant.id, tenant.domain].includes(name.toLowerCase()) ? tenant : undefined),
    findApplication: (clientId) => applications.get(clientId.toLowerCase()),
    register: ({ displayName: name, servicePrincipal = true, ...initial }) => {
      const application: DirectoryApplication = {
        clientId: randomUUID(),
        objectId: randomUUID(),
        displayName: name,
        hasServicePrincipal: servicePrincipal,
        credentials: new Credentials(initial),
      };
      applications.set(application.clientId, application);
      return application;
    },
    get applications() {
      return applications.values();
    },
  };
};
