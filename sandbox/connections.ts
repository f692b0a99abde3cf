import type { CertificateFiles, Connections } from './sandbox.js';

/** What the ready-made connection strings are made from. */
export interface ConnectionParts {
  readonly port: number;
  /** Port of PostgreSQL's own OAuth endpoint; undefined: it is off. */
  readonly oauthPort: number | undefined;
  readonly database: string;
  readonly authorityUrl: string;
  readonly tenant: string;
  readonly caFile: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly role: string;
  readonly certificates: CertificateFiles;
  readonly assertionFile: string;
  readonly openId: {
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly role: string;
    readonly scope: string;
  };
  readonly managedIdentityRole: string;
  readonly passwordRole: { readonly user: string; readonly password: string };
}

/** A complete connection string for every way to log in. */
export const readyConnections = (parts: ConnectionParts): Connections => {
  const { certificates, openId, passwordRole, caFile } = parts;
  const server = { Server: 'localhost', Port: parts.port, Database: parts.database };
  const tls = { SSLCA: caFile };
  const app = {
    ...server,
    User: parts.role,
    InitiateOAuth: 'GETANDREFRESH',
    AzureTenant: parts.tenant,
    OAuthGrantType: 'CLIENT',
    OAuthClientId: parts.clientId,
  };
  const trusted = { AzureAuthority: parts.authorityUrl, TokenCA: caFile, ...tls };
  const certificate = (file: string, type: string, password: string | undefined) =>
    connectionString({
      ...app,
      OAuthJWTCert: file,
      OAuthJWTCertType: type,
      ...(password !== undefined && { OAuthJWTCertPassword: password }),
      ...trusted,
    });
  const bySecret = { ...app, OAuthClientSecret: parts.clientSecret, ...trusted };
  return {
    secret: connectionString(bySecret),
    certificatePem: certificate(certificates.pem, 'PEMKEY_FILE', undefined),
    certificatePfx: certificate(certificates.pfx, 'PFXFILE', certificates.pfxPassword),
    certificateJks: certificate(certificates.jks, 'JKSFILE', certificates.jksPassword),
    workloadIdentity: connectionString({
      AuthScheme: 'AzureWorkloadIdentity',
      ...server,
      User: parts.role,
      AzureTenant: parts.tenant,
      OAuthClientId: parts.clientId,
      OAuthClientAssertion: `@file:${parts.assertionFile}`,
      ...trusted,
    }),
    managedIdentity: connectionString({
      AuthScheme: 'AzureMSI',
      ...server,
      User: parts.managedIdentityRole,
      ...tls,
    }),
    openId: connectionString({
      AuthScheme: 'OAuthClient',
      ...server,
      User: openId.role,
      OAuthIssuer: openId.issuer,
      OAuthClientId: openId.clientId,
      OAuthClientSecret: openId.clientSecret,
      Scope: openId.scope,
      TokenCA: caFile,
      ...tls,
    }),
    password: connectionString({
      AuthScheme: 'Password',
      ...server,
      User: passwordRole.user,
      Password: passwordRole.password,
      ...tls,
    }),
    ...(parts.oauthPort !== undefined && {
      oauthbearer: connectionString({ ...bySecret, Port: parts.oauthPort }),
    }),
  };
};

/**
 * A connection string of these properties, in their order. A value is put in double quotes, with quotes inside
 * doubled, when it is empty, holds `;`, `=` or a quote, or starts or ends with white space (ADO.NET's rules).
 */
const connectionString = (properties: Readonly<Record<string, string | number>>): string =>
  Object.entries(properties)
    .map(([name, value]) => `${name}=${quoteValue(String(value))}`)
    .join(';');

const quoteValue = (value: string): string =>
  value === '' || /[;="']|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
