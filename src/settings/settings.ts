import { isIPv6 } from 'node:net';
import { ConnectorError } from '../errors.js';
import { LONGEST_NAME_BYTES } from '../server-text.js';
import {
  readConnectionString,
  readPropertyObject,
  type RawProperties,
  type ReadProperties,
  type SettingsNote,
} from './connection-string.js';
import { holds, PROPERTIES, type Property, type PropertyName } from './properties.js';
import { expandReferences, type SettingsSources } from './references.js';
import { Secret } from './secret.js';
import { ValueReader } from './value-reader.js';

/** What the application proves itself with. */
export type CredentialSettings =
  | { readonly kind: 'secret'; readonly secret: Secret }
  | {
      readonly kind: 'certificate';
      /** Path or content, by `type`. */
      readonly store: Secret;
      readonly type: string;
      readonly password: Secret | undefined;
      readonly subject: string;
    };

/**
 * A connection, checked and typed. Only {@link resolveSettings} makes one; it is frozen in depth
 * and holds every secret in a {@link Secret}, so it prints masked.
 */
export interface Settings {
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
    /** PEM text of the only authorities to trust, or undefined for those of Node.js. */
    readonly ca: string | undefined;
    readonly applicationName: string;
  };
  readonly identity: {
    /** Directory id or domain name. */
    readonly tenant: string;
    /** Origin of the authority, `https://host[:port]`. */
    readonly authority: string;
    readonly clientId: string;
    readonly credential: CredentialSettings;
    /** Undefined: derived from the cloud of the tenant. */
    readonly scope: string | undefined;
    readonly ca: string | undefined;
    /** `memory://name`. */
    readonly tokenLocation: string;
  };
  readonly pool: {
    readonly minSize: number;
    readonly maxSize: number;
    /** 0 = no limit, as for the following three. */
    readonly waitMs: number;
    readonly idleMs: number;
    readonly lifeMs: number;
  };
  /** Limit of each single wait in milliseconds; 0 = none. */
  readonly timeoutMs: number;
}

/** A connection string, or property names and values; undefined (a variable that is not set) is an empty one. */
export type ConnectionProperties = string | Readonly<Record<string, unknown>> | undefined;

/** One line of `pg-entra explain`. */
export interface EffectiveProperty {
  readonly name: PropertyName;
  /** As it is used; `***` for a secret. */
  readonly value: string;
  readonly origin: 'given' | 'default' | 'derived';
  /** Where it was derived from, or what was read for it. */
  readonly note: string | undefined;
}

/** Settings with the story of how they came about. */
export interface ResolvedSettings {
  readonly settings: Settings;
  readonly effective: readonly EffectiveProperty[];
  readonly notes: readonly SettingsNote[];
}

/**
 * Checks `raw` and gives the typed settings. Reads the files and variables that values
 * `@file:PATH` and `@env:NAME` name (for secret and PEM properties only; `@@` is a literal @),
 * and the CA files; nothing else, no network.
 *
 * @throws ConnectorError of type POSTGRESQL:SETTINGS. Wrong values are reported all at once, and
 *   so are missing ones.
 */
export function resolveSettings(raw: RawProperties, sources?: SettingsSources): Settings {
  return resolve(readPropertyObject(raw), sources).settings;
}

/** {@link resolveSettings} for a connection string or an object, with origins and notes. */
export function explainSettings(
  properties: ConnectionProperties,
  sources?: SettingsSources,
): ResolvedSettings {
  const read =
    typeof properties === 'string' ? readConnectionString(properties) : readPropertyObject(properties ?? {});
  return resolve(read, sources);
}

function resolve(read: ReadProperties, sources: SettingsSources = {}): ResolvedSettings {
  const values = new ValueReader(expandReferences(read.properties, sources), sources);
  const scheme = schemeOf(values);
  const settings = build(values, scheme);
  values.requireAll({ AuthScheme: scheme });
  values.throwProblems();
  return {
    settings: deepFreeze(settings),
    effective: effectiveProperties(values, scheme),
    notes: [...read.notes, ...contradictions(values, scheme)],
  };
}

type Scheme = 'AzureServicePrincipal' | 'AzureServicePrincipalCert';

/**
 * The scheme in today's spelling. Absent, `AzureAD` and `AzureServicePrincipal` with only a
 * certificate are read as what the credential says, so that both groups of the older
 * documentation work as printed.
 */
function schemeOf(values: ValueReader): Scheme {
  const given = values.choice('AuthScheme');
  const certificate = values.has('OAuthJWTCert');
  const secret = values.has('OAuthClientSecret');
  if (certificate && secret) {
    const problem =
      'Both OAuthClientSecret and OAuthJWTCert are set; only one of them can prove the application.';
    const properties = ['OAuthClientSecret', 'OAuthJWTCert'];
    throw new ConnectorError('PROPERTIES_CONFLICT', { problem }, { properties });
  }
  if (given === 'AzureServicePrincipalCert') return given;
  return certificate ? 'AzureServicePrincipalCert' : 'AzureServicePrincipal';
}

/** What was given and does not act as it says. */
function contradictions(values: ValueReader, scheme: Scheme): SettingsNote[] {
  const notes: SettingsNote[] = [];
  const given = values.choice('AuthScheme');
  if (given !== undefined && given !== scheme)
    notes.push({ property: 'AuthScheme', text: `AuthScheme ${given} is read as ${scheme}.` });
  for (const { name, visibleWhen } of PROPERTIES as readonly Property[]) {
    if (visibleWhen && values.has(name) && !holds(visibleWhen, { AuthScheme: scheme }))
      notes.push({ property: name, text: `${name} has no effect with ${scheme}.` });
  }
  return notes;
}

function build(values: ValueReader, scheme: Scheme): Settings {
  values.choice('InitiateOAuth');
  values.choice('OAuthGrantType');
  if (values.boolean('UseSSL') === false)
    values.problem('UseSSL', 'must be true: a token is sent over verified TLS only');
  return {
    server: {
      host: hostOf(values),
      port: values.integer('Port'),
      database: values.checked('Database', isServerName, SERVER_NAME),
      user: values.checked('User', isServerName, SERVER_NAME),
      ca: values.pem('SSLCA'),
      applicationName: values.checked('ApplicationName', isPrintable, NO_CONTROL),
    },
    identity: {
      tenant: values.checked('AzureTenant', isTenant, TENANT_RULE).toLowerCase(),
      authority: authorityOf(values),
      clientId: values.checked(
        'OAuthClientId',
        (id) => /^[\w.-]{1,256}$/.test(id),
        'must be an application (client) id',
      ),
      credential: credentialOf(values, scheme),
      scope: scopeOf(values),
      ca: values.pem('TokenCA'),
      tokenLocation: values.checked(
        'OAuthSettingsLocation',
        (at) => at.startsWith('memory://'),
        'must be memory:// or memory://name',
      ),
    },
    pool: poolOf(values),
    timeoutMs: values.milliseconds('Timeout'),
  };
}

function poolOf(values: ValueReader): Settings['pool'] {
  const pool = {
    minSize: values.integer('PoolMinSize'),
    maxSize: values.integer('PoolMaxSize'),
    waitMs: values.milliseconds('PoolWaitTime'),
    idleMs: values.milliseconds('PoolIdleTimeout'),
    lifeMs: values.milliseconds('ConnectionLifeTime'),
  };
  if (pool.minSize > pool.maxSize) values.problem('PoolMinSize', 'must not be more than PoolMaxSize');
  return pool;
}

function credentialOf(values: ValueReader, scheme: Scheme): CredentialSettings {
  if (scheme === 'AzureServicePrincipal') {
    return { kind: 'secret', secret: values.secret('OAuthClientSecret') ?? new Secret('') };
  }
  return {
    kind: 'certificate',
    store: values.secret('OAuthJWTCert') ?? new Secret(''),
    type: values.choice('OAuthJWTCertType') ?? 'AUTO',
    password: values.secret('OAuthJWTCertPassword'),
    subject: values.text('OAuthJWTCertSubject'),
  };
}

const NO_CONTROL = 'must not hold control characters';
const SERVER_NAME = `must be at most ${String(LONGEST_NAME_BYTES)} bytes long and not hold control characters`;

// The server cuts longer names without a sign, and would then mean another role or database.
function isServerName(text: string): boolean {
  return isPrintable(text) && Buffer.byteLength(text) <= LONGEST_NAME_BYTES;
}

function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text);
}

function hostOf(values: ValueReader): string {
  const isHost = (text: string): boolean =>
    isIPv6(text) || /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]{0,252})$/u.test(text);
  const bare = values.text('Server').replace(/^\[(.*)\]$/, '$1');
  if (bare !== '' && !isHost(bare)) {
    values.problem('Server', 'must be one host name or IP address (no scheme, port, path or socket)');
  }
  return bare;
}

const TENANT_RULE =
  'must be a directory id or a domain name of one tenant (common, organizations and consumers work only with users)';

function isTenant(text: string): boolean {
  const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
  const domain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i;
  return guid.test(text) || domain.test(text);
}

function authorityOf(values: ValueReader): string {
  const text = values.text('AzureAuthority');
  const address = text.includes('://') ? text : `https://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const bare = url && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!bare || url.protocol !== 'https:' || url.pathname !== '/') {
    values.problem('AzureAuthority', 'must be https://host or https://host:port and nothing more');
    return '';
  }
  return url.origin;
}

function scopeOf(values: ValueReader): string | undefined {
  const scope = values.optional('Scope');
  if (scope === undefined) return undefined;
  if (!/^[^\s/][^\s]*[^\s/]\/\.default$/.test(scope)) {
    values.problem(
      'Scope',
      'must be one resource followed by /.default; leave it empty for Azure Database for PostgreSQL',
    );
  }
  return scope;
}

function effectiveProperties(values: ValueReader, scheme: Scheme): EffectiveProperty[] {
  const lines: EffectiveProperty[] = [];
  for (const property of PROPERTIES as readonly Property[]) {
    if (property.visibleWhen && !holds(property.visibleWhen, { AuthScheme: scheme })) continue;
    const value = property.name === 'AuthScheme' ? scheme : values.optional(property.name);
    const given = values.has(property.name);
    if (value === undefined && property.derived === undefined) continue;
    lines.push({
      name: property.name,
      value: property.secret && value !== undefined ? '***' : (value ?? ''),
      origin: given ? 'given' : property.default === undefined ? 'derived' : 'default',
      note: given ? undefined : property.derived,
    });
  }
  return lines;
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object);
  }
  return Object.freeze(value);
}
