import type { LoginChoice } from './auth-scheme.js';
import { typeOfFile } from './key-store-types.js';
import type { PropertyName } from './properties.js';
import { Secret } from './secret.js';
import type { ValueReader } from './value-reader.js';

/** A secret that is sent, with the one that overlaps it while secrets are rotated. */
export interface SecretCredential {
  readonly kind: 'secret';
  readonly secret: Secret;
  readonly fallback: Secret | undefined;
  /** When it expires, in milliseconds since 1970, where that is said. */
  readonly expiresAtMs: number | undefined;
  /** In the Authorization header (RFC 6749 section 2.3.1), or in the form. */
  readonly placement: 'BASIC' | 'POST';
}

/** A certificate whose key signs an assertion (RFC 7523). */
export interface CertificateCredential {
  readonly kind: 'certificate';
  /** Path or content, by `type`. */
  readonly store: Secret;
  readonly type: string;
  readonly password: Secret | undefined;
  readonly keyPassword: Secret | undefined;
  readonly subject: string;
  /** A second store, of type AUTO, with the same passwords and subject. */
  readonly fallback: Secret | undefined;
  readonly algorithm: 'PS256' | 'RS256';
  /** Send the chain as `x5c`. */
  readonly sendChain: boolean;
}

/** A token of another issuer that stands in for a secret. */
export interface AssertionCredential {
  readonly kind: 'assertion';
  readonly assertion: Secret;
}

/** What the application proves itself with. */
export type CredentialSettings = SecretCredential | CertificateCredential | AssertionCredential;

/** A cloud of Microsoft Entra ID; AUTO is found from the tenant. */
export type AzureEnvironment = 'AUTO' | 'GLOBAL' | 'USGOVT' | 'CHINA';

/** An application that asks Microsoft Entra ID for its token. */
export interface EntraIdentity {
  readonly kind: 'entra';
  /** Directory id or domain name. */
  readonly tenant: string;
  readonly environment: AzureEnvironment;
  /** Origin of a private authority, `https://host[:port]`. */
  readonly authority: string | undefined;
  readonly region: string | undefined;
  readonly clientId: string;
  readonly credential: CredentialSettings;
  /** Undefined: derived from the cloud of the tenant. */
  readonly scope: string | undefined;
  readonly audience: string | undefined;
}

/** An identity that the platform (App Service, a virtual machine …) gives its programs. */
export interface ManagedIdentity {
  readonly kind: 'managed-identity';
  /** Of a user-assigned identity; undefined: the system-assigned one. */
  readonly clientId: string | undefined;
  readonly environment: AzureEnvironment;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
}

/** A client of any other OpenID provider. */
export interface OpenIdIdentity {
  readonly kind: 'openid';
  readonly issuer: string | undefined;
  readonly tokenEndpoint: string | undefined;
  readonly clientId: string;
  /** Proves the client; with a JWT grant it may be absent. */
  readonly credential: SecretCredential | CertificateCredential | undefined;
  /** The assertion that is the grant itself (RFC 7523 section 2.1). */
  readonly grant: { readonly certificate: CertificateCredential; readonly subject: string } | undefined;
  /** `aud` of an assertion; undefined: the issuer, else the token endpoint. */
  readonly assertionAudience: string | undefined;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
}

/** A token that the user supplies, and nothing to get another one with. */
export interface SuppliedIdentity {
  readonly kind: 'supplied';
}

/** A database role with a password of its own. */
export interface PasswordIdentity {
  readonly kind: 'password';
  readonly password: Secret;
  /** Weakest way in which the password may be given. */
  readonly weakest: 'SCRAM-SHA-256' | 'MD5' | 'PASSWORD';
}

/** How the login is proved. */
export type Identity = EntraIdentity | ManagedIdentity | OpenIdIdentity | SuppliedIdentity | PasswordIdentity;

/** The identity that `choice` asks for. Absent and wrong values are left to `values` to report. */
export function identityOf(values: ValueReader, choice: LoginChoice): Identity {
  const { scheme, initiate } = choice;
  if (scheme === 'Password')
    return {
      kind: 'password',
      password: values.secret('Password') ?? new Secret(''),
      weakest: weakestOf(values),
    };
  if (scheme === 'OAuthToken' || initiate === 'OFF') return { kind: 'supplied' };
  if (scheme === 'AzureMSI') return managedIdentityOf(values);
  return scheme === 'OAuthClient' ? openIdOf(values, choice) : entraOf(values, choice);
}

function weakestOf(values: ValueReader): PasswordIdentity['weakest'] {
  const weakest = (values.choice('RequireAuth') ?? 'SCRAM-SHA-256') as PasswordIdentity['weakest'];
  const mode = values.counting('SSLMode');
  if (weakest === 'PASSWORD' && (mode === 'disable' || mode === 'require'))
    values.note(
      'RequireAuth',
      `RequireAuth PASSWORD counts as MD5 with SSLMode ${mode}: the password itself is given to a verified server only.`,
    );
  return weakest;
}

function entraOf(values: ValueReader, { scheme }: LoginChoice): EntraIdentity {
  return {
    kind: 'entra',
    tenant: values.checked('AzureTenant', isTenant, TENANT_RULE).toLowerCase(),
    environment: environmentOf(values),
    authority: authorityOf(values),
    region: values.optionalChecked('AzureRegion', (text) => /^[a-z][a-z0-9]{1,40}$/.test(text), REGION_RULE),
    clientId: clientIdOf(values),
    credential: CREDENTIALS[scheme as keyof typeof CREDENTIALS](values),
    scope: scopeOf(values, isResourceScope, SCOPE_RULE, AZURE_SCOPE),
    audience: audienceOf(values),
  };
}

const CREDENTIALS = {
  AzureServicePrincipal: (values: ValueReader) => secretOf(values, 'POST'),
  AzureServicePrincipalCert: certificateOf,
  AzureWorkloadIdentity: assertionOf,
};

function assertionOf(values: ValueReader): AssertionCredential {
  const isNoPath = (text: string): boolean => !/[\\/]/.test(text);
  const rule = 'must be a token; where it stands in a file, write @file: and the path';
  values.checked('OAuthClientAssertion', isNoPath, rule);
  return { kind: 'assertion', assertion: values.secret('OAuthClientAssertion') ?? new Secret('') };
}

function managedIdentityOf(values: ValueReader): ManagedIdentity {
  return {
    kind: 'managed-identity',
    clientId: values.optional('OAuthClientId') === undefined ? undefined : clientIdOf(values),
    environment: environmentOf(values),
    scope: scopeOf(values, isResourceScope, SCOPE_RULE, AZURE_SCOPE),
    audience: audienceOf(values),
  };
}

function openIdOf(values: ValueReader, { grant }: LoginChoice): OpenIdIdentity {
  const secret = values.has('OAuthClientSecret') ? secretOf(values, 'BASIC') : undefined;
  const certificate = values.has('OAuthJWTCert') ? certificateOf(values) : undefined;
  const subject = values.text('OAuthJWTSubject');
  return {
    kind: 'openid',
    issuer: httpsUrlOf(values, 'OAuthIssuer'),
    tokenEndpoint: httpsUrlOf(values, 'OAuthAccessTokenURL'),
    clientId: clientIdOf(values),
    credential: grant === 'JWT' ? secret : (secret ?? certificate),
    grant: grant === 'JWT' && certificate ? { certificate, subject } : undefined,
    assertionAudience: values.optional('OAuthJWTAudience'),
    scope: scopeOf(values, isScope, 'must be names separated by single blanks', 'none is asked for'),
    audience: openIdAudienceOf(values),
  };
}

function secretOf(values: ValueReader, placement: 'BASIC' | 'POST'): SecretCredential {
  return {
    kind: 'secret',
    secret: values.secret('OAuthClientSecret') ?? new Secret(''),
    fallback: values.secret('OAuthClientSecretFallback'),
    expiresAtMs: dateOf(values, 'OAuthClientSecretExpires'),
    placement: placementOf(values, placement),
  };
}

function placementOf(values: ValueReader, usual: 'BASIC' | 'POST'): 'BASIC' | 'POST' {
  const placement = (values.choice('OAuthPasswordGrantMode') ?? usual) as 'BASIC' | 'POST';
  const provider = usual === 'POST' ? 'Microsoft Entra ID' : 'OpenID providers';
  values.count('OAuthPasswordGrantMode', placement, `usual for ${provider}`);
  return placement;
}

function certificateOf(values: ValueReader): CertificateCredential {
  const type = values.choice('OAuthJWTCertType') ?? 'AUTO';
  return {
    kind: 'certificate',
    store: values.secret('OAuthJWTCert') ?? new Secret(''),
    type: values.fileOf('OAuthJWTCert') === undefined ? type : typeOfFile(type),
    password: values.secret('OAuthJWTCertPassword'),
    keyPassword: values.secret('OAuthJWTCertKeyPassword'),
    subject: values.text('OAuthJWTCertSubject'),
    fallback: values.secret('OAuthJWTCertFallback'),
    algorithm: values.choice('OAuthJWTEncryption') === 'RS256' ? 'RS256' : 'PS256',
    sendChain: values.boolean('OAuthJWTSendX5C') === true,
  };
}

const TENANT_RULE =
  'must be a directory id or a domain name of one tenant (common, organizations and consumers work only with users)';
const REGION_RULE = 'must be the name of an Azure region in small letters, such as westeurope';
const AZURE_SCOPE = 'that of Azure Database for PostgreSQL, in the cloud of the tenant';
const SCOPE_RULE =
  'must be one resource, not Microsoft Graph, followed by /.default, for example https://ossrdbms-aad.database.windows.net/.default; leave it empty for Azure Database for PostgreSQL';

function isTenant(text: string): boolean {
  const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
  const domain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i;
  return guid.test(text) || domain.test(text);
}

function environmentOf(values: ValueReader): AzureEnvironment {
  return (values.choice('AzureEnvironment') ?? 'AUTO') as AzureEnvironment;
}

function clientIdOf(values: ValueReader): string {
  const isId = (id: string): boolean => /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(id);
  return values.checked('OAuthClientId', isId, 'must be an application (client) id');
}

function authorityOf(values: ValueReader): string | undefined {
  const text = values.optional('AzureAuthority');
  if (text === undefined) return undefined;
  const url = plainHttpsUrl(text.includes('://') ? text : `https://${text}`);
  if (url?.pathname === '/' && url.search === '') return url.origin;
  values.problem('AzureAuthority', 'must be https://host or https://host:port and nothing more');
  return undefined;
}

function httpsUrlOf(values: ValueReader, name: PropertyName): string | undefined {
  const isUrl = (text: string): boolean => plainHttpsUrl(text) !== undefined;
  return values.optionalChecked(name, isUrl, 'must be an https URL without user name and fragment');
}

function plainHttpsUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === '';
  return isPlain ? url : undefined;
}

// Microsoft Graph is what generic instructions name; its token opens no database.
const GRAPH = /^https:\/\/(graph\.(microsoft|windows)\.|microsoftgraph\.|dod-graph\.)/i;

function isResourceScope(scope: string): boolean {
  return !GRAPH.test(scope) && /^[^\s/]\S*[^\s/]\/\.default$/.test(scope);
}

function scopeOf(
  values: ValueReader,
  accept: (scope: string) => boolean,
  rule: string,
  story: string,
): string | undefined {
  const scope = values.optionalChecked('Scope', accept, rule);
  if (scope === undefined) values.count('Scope', '', story);
  return scope;
}

function isScope(scope: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope);
}

function openIdAudienceOf(values: ValueReader): string | undefined {
  const audience = audienceOf(values);
  if (audience === undefined) values.count('OAuthAudience', '', 'none is asked for, and any is taken');
  return audience;
}

function audienceOf(values: ValueReader): string | undefined {
  return values.optionalChecked(
    'OAuthAudience',
    (text) => /^[\x21-\x7e]{1,1000}$/.test(text),
    'must be printable text without blanks',
  );
}

function isDate(text: string): boolean {
  const [, day = ''] = /^(\d{4}-\d{2}-\d{2})(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text) ?? [];
  return isDay(day) && !Number.isNaN(Date.parse(text));
}

// The parser of the language takes the 31st of February for the 3rd of March.
function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function dateOf(values: ValueReader, name: PropertyName): number | undefined {
  const text = values.optionalChecked(name, isDate, 'must be a date, such as 2027-03-31');
  return text === undefined || !isDate(text) ? undefined : Date.parse(text);
}
