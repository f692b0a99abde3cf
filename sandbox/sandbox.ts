import type { Control } from './control.js';
import type { FederatedCredential } from './authority/credentials.js';
import type { FederatedTokenRequest } from './federation/issuer.js';
import type { QueryRows } from './postgres/query.js';
import type { ServerCertificates } from './server-certificates.js';

/** How the sandbox is to start. */
export interface SandboxOptions {
  /** Gets one line of text per step, for a person to read. */
  readonly progress?: (line: string) => void;
  /** Clock of authority and gate, ms since the epoch; `Date.now` when absent. */
  readonly now?: () => number;
  /** Starts no PostgreSQL: the gate then decides logins by the token alone and ends each accepted one with 57P03. */
  readonly skipPostgres?: boolean;
  /** Settings for the PostgreSQL server, as for `postgres -c`, e.g. `{ wal_level: 'logical' }`. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Folder to work in; `os.tmpdir()` when absent. */
  readonly temporaryDirectory?: string;
}

/** An application of the tenant with its service principal and its database role. */
export interface Application {
  /** Application (client) id, a GUID. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Object id of its service principal: the `oid` of its tokens. */
  readonly objectId: string;
  /** Display name of the service principal. */
  readonly displayName: string;
  /** Database role mapped to `objectId`; undefined when it was registered without one. */
  readonly role: string | undefined;
}

/** What {@link Sandbox.addApplication} needs. */
export interface ApplicationRequest {
  readonly displayName: string;
  /** Database role to create for it, through `pgaadauth_create_principal_with_oid`. */
  readonly role?: string;
  /** Whether that role is an administrator, as Azure's Entra admins are; false when absent. */
  readonly admin?: boolean;
  /** Certificates to register, PEM. */
  readonly certificates?: readonly string[];
  /** Whose tokens stand for the app. */
  readonly federated?: readonly FederatedCredential[];
  /** Whether it gets a service principal in the tenant (AADSTS7000229 without); true when absent. */
  readonly servicePrincipal?: boolean;
}

/** Files with the app's certificates; paths are absolute. */
export interface CertificateFiles {
  /** Private key (not encrypted), certificate and CA certificate; registered on the app. */
  readonly pem: string;
  /** The same in PKCS#12 (AES-256). */
  readonly pfx: string;
  readonly pfxPassword: string;
  /** The same in a Java key store (JKS), under the alias `flow-reader`; key and store have this password. */
  readonly jks: string;
  readonly jksPassword: string;
  /** The same with the private key encrypted (PKCS#8, AES-256-CBC). */
  readonly encryptedPem: string;
  readonly encryptedPemPassword: string;
  /** Key and certificate that the app does not know (AADSTS700027). */
  readonly unregisteredPem: string;
  /** Key and certificate that the app knows, past their validity (AADSTS1000502). */
  readonly expiredPem: string;
}

/** Complete connection strings, by the way to log in. */
export interface Connections {
  readonly secret: string;
  readonly certificatePem: string;
  readonly certificatePfx: string;
  readonly certificateJks: string;
  /** By a token of the federation issuer, read from a file. */
  readonly workloadIdentity: string;
  /** By the system-assigned managed identity; the endpoint comes from the environment, see `managedIdentity`. */
  readonly managedIdentity: string;
  /** By the client secret of the generic OpenID provider. */
  readonly openId: string;
  /** By the password of a role, without any token. */
  readonly password: string;
  /** By the client secret, at PostgreSQL's own OAuth endpoint; absent where that is off. */
  readonly oauthbearer?: string;
}

/** A managed identity with its database role. */
export interface ManagedIdentityPrincipal {
  readonly clientId: string;
  readonly objectId: string;
  readonly role: string;
}

/** The running stand-in for the cloud. */
export interface Sandbox {
  readonly authority: {
    /** `https://localhost:PORT`. */
    readonly url: string;
    /** `localhost:PORT`, as MSAL's `knownAuthorities` wants it. */
    readonly host: string;
    readonly port: number;
    /** The CA of authority and gate: file and PEM text. */
    readonly caFile: string;
    readonly ca: string;
  };
  /** GUID of the tenant. */
  readonly tenantId: string;
  /** Its domain name, `contoso.example`. */
  readonly tenantDomain: string;
  /** The app that the ready-made connection strings log in with. */
  readonly clientId: string;
  readonly clientSecret: string;
  readonly objectId: string;
  /** Its database role. */
  readonly role: string;
  /** The database that `role` may create tables in (schema `public`). */
  readonly database: string;
  /** Where clients log in: TLS, token as password. */
  readonly gate: { readonly host: string; readonly port: number };
  /** Where PostgreSQL itself takes tokens by SASL OAUTHBEARER, and passwords by SCRAM, over TLS; undefined: see `oauthOff`. */
  readonly oauth: { readonly host: string; readonly port: number } | undefined;
  /** Why there is no `oauth`, in words that follow "off:". */
  readonly oauthOff: string | undefined;
  /** The real server behind the gate; undefined with `skipPostgres`. */
  readonly postgres:
    | {
        /** Folder of the unix socket; `host` for `pg` and libpq. */
        readonly socketDirectory: string;
        /** Names the socket file; the only TCP port is that of `oauth`. */
        readonly port: number;
        /** Connection text for psql as superuser, without a password, for this OS user. */
        readonly superuser: string;
      }
    | undefined;
  readonly certificates: CertificateFiles;
  readonly connections: Connections;
  /** Another issuer whose tokens stand for the app (workload identity federation). */
  readonly federation: {
    readonly issuer: string;
    readonly subject: string;
    readonly audience: string;
    /** Holds a token that is good for a day, as `AZURE_FEDERATED_TOKEN_FILE` does. */
    readonly tokenFile: string;
    issueToken(request?: FederatedTokenRequest): Promise<string>;
  };
  /** Endpoints that give tokens to who runs on the machine; these three are of the system-assigned identity. */
  readonly managedIdentity: ManagedIdentityPrincipal & {
    /** For `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`. */
    readonly appService: { readonly endpoint: string; readonly header: string };
    /** In the place of `http://169.254.169.254`; for `AZURE_POD_IDENTITY_AUTHORITY_HOST`. */
    readonly imds: { readonly endpoint: string };
    /** The identity that has to be named by its client id. */
    readonly userAssigned: ManagedIdentityPrincipal;
  };
  /** A generic OpenID provider; its client signs assertions with the key of `certificates.pem`. */
  readonly openId: {
    readonly issuer: string;
    readonly tokenEndpoint: string;
    readonly clientId: string;
    readonly clientSecret: string;
    /** Subject of its tokens, to which `role` is mapped. */
    readonly objectId: string;
    readonly role: string;
    /** Scope and audience of tokens that open the database; both are given to who asks for none. */
    readonly scope: string;
    readonly audience: string;
  };
  /** A role that logs in with a password, verified by PostgreSQL (absent there with `skipPostgres`). */
  readonly passwordRole: { readonly user: string; readonly password: string };
  /** An HTTP proxy to this machine; `user` and `password` count once the control asks for them. */
  readonly proxy: { readonly url: string; readonly user: string; readonly password: string };
  readonly control: Control;
  /** `http://127.0.0.1:PORT/RANDOM`: the control by HTTP, see README.md. */
  readonly controlUrl: string;
  /** Key and certificate of a server for localhost, good or wrong in one way, for a test's own TLS server. */
  readonly serverCertificates: Pick<ServerCertificates, 'pem'>;
  /** Rows of a statement run as superuser in `database` (or the one named); rejects with `skipPostgres`. */
  query: QueryRows;
  /** Registers another app in the tenant, with a client secret. */
  addApplication(request: ApplicationRequest): Promise<Application>;
  /** Folder with all files of the sandbox; gone after `close()`. */
  readonly directory: string;
  /** Ends sessions, servers and PostgreSQL and removes every file; idempotent. */
  close(): Promise<void>;
}
