import { readFileSync, statSync, type Stats } from 'node:fs';
import { isIPv6 } from 'node:net';
import { ConnectorError, type ErrorCode, type ErrorDetails } from '../errors.js';
import {
  firstUnusableCharacter,
  readConnectionString,
  readPropertyObject,
  type RawProperties,
  type ReadProperties,
  type SettingsNote,
} from './connection-string.js';
import {
  PROPERTIES,
  propertyOf,
  takesReference,
  type Property,
  type PropertyCondition,
  type PropertyName,
} from './properties.js';
import { Secret } from './secret.js';

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

/** What resolving may read besides the properties; injected by tests. */
export interface SettingsSources {
  readonly readFile?: (path: string) => string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
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
  properties: string | Readonly<Record<string, unknown>>,
  sources?: SettingsSources,
): ResolvedSettings {
  const read =
    typeof properties === 'string' ? readConnectionString(properties) : readPropertyObject(properties);
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

/** Reads one value after the other and collects everything that is wrong with them. */
class ValueReader {
  readonly #given: ReadonlyMap<PropertyName, string>;
  readonly #sources: SettingsSources;
  readonly #problems: { property: PropertyName; text: string }[] = [];
  readonly #missing: Property[] = [];

  constructor(given: ReadonlyMap<PropertyName, string>, sources: SettingsSources) {
    this.#given = given;
    this.#sources = sources;
  }

  has(name: PropertyName): boolean {
    return this.#given.has(name);
  }

  /** Given text or constant default; undefined where neither is. */
  optional(name: PropertyName): string | undefined {
    return this.#given.get(name) ?? propertyOf(name).default;
  }

  /** Like {@link optional}; '' stands in for an absent value, which {@link requireAll} reports. */
  text(name: PropertyName): string {
    return this.optional(name) ?? '';
  }

  secret(name: PropertyName): Secret | undefined {
    const value = this.optional(name);
    return value === undefined ? undefined : new Secret(value);
  }

  /** Text that `accept` takes; otherwise `rule` says what it should be. */
  checked(name: PropertyName, accept: (value: string) => boolean, rule: string): string {
    const value = this.text(name);
    if (value !== '' && !accept(value)) this.problem(name, rule);
    return value;
  }

  integer(name: PropertyName): number {
    const { range = [0, Number.MAX_SAFE_INTEGER] } = propertyOf(name);
    const text = this.text(name);
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= range[0] && value <= range[1])) {
      this.problem(name, `must be a whole number from ${String(range[0])} to ${String(range[1])}`);
    }
    return value;
  }

  milliseconds(name: PropertyName): number {
    return this.integer(name) * 1_000;
  }

  /** Undefined for text that is neither. */
  boolean(name: PropertyName): boolean | undefined {
    const text = this.text(name).toLowerCase();
    if (/^(true|yes|on|1)$/.test(text)) return true;
    if (/^(false|no|off|0)$/.test(text)) return false;
    this.problem(name, 'must be true or false');
    return undefined;
  }

  /** The choice in the spelling of the table. */
  choice(name: PropertyName): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const { choices = [] } = propertyOf(name);
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found === undefined) this.problem(name, `must be one of ${choices.join(', ')}`);
    return found;
  }

  pem(name: PropertyName): string | undefined {
    const value = this.optional(name);
    if (value === undefined) return undefined;
    const text = value.includes('-----BEGIN ') ? value : readTextFile(name, value, this.#sources);
    if (!text.includes('-----BEGIN CERTIFICATE-----'))
      this.problem(name, 'must hold certificates in PEM form');
    return text;
  }

  problem(property: PropertyName, text: string): void {
    this.#problems.push({ property, text: `${property} ${text}.` });
  }

  /** Notes every property that is required, given what `deciding` says of the conditions, and absent. */
  requireAll(deciding: Readonly<Record<string, string>>): void {
    for (const property of PROPERTIES as readonly Property[]) {
      const required =
        property.required === true || (property.required && holds(property.required, deciding));
      if (required && this.optional(property.name) === undefined) this.#missing.push(property);
    }
  }

  throwProblems(): void {
    const missing = this.#missing.map(({ name }) => name);
    const names = this.#missing
      .map(({ name, instead }) => (instead === undefined ? name : `${name} (or ${instead})`))
      .join(', ');
    if (missing.length > 0 && this.#problems.length === 0) {
      throw new ConnectorError('PROPERTIES_MISSING', { names }, { properties: missing });
    }
    if (this.#problems.length > 0) {
      const lacking = missing.length > 0 ? [`Missing: ${names}.`] : [];
      const problems = [...this.#problems.map(({ text }) => text), ...lacking].join(' ');
      const properties = [...this.#problems.map(({ property }) => property), ...missing];
      throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties });
    }
  }
}

function holds(condition: PropertyCondition, deciding: Readonly<Record<string, string>>): boolean {
  return condition.in.includes(deciding[condition.property] ?? '');
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
    throw settingsError('PROPERTIES_CONFLICT', { problem }, ['OAuthClientSecret', 'OAuthJWTCert']);
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
const SERVER_NAME = 'must be at most 63 bytes long and not hold control characters';

// The server cuts longer names without a sign, and would then mean another role or database.
function isServerName(text: string): boolean {
  return isPrintable(text) && Buffer.byteLength(text) <= 63;
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

function expandReferences(raw: RawProperties, sources: SettingsSources): Map<PropertyName, string> {
  const values = new Map<PropertyName, string>();
  for (const property of PROPERTIES as readonly Property[]) {
    const given = raw[property.name];
    if (given === undefined || given === '') continue;
    values.set(
      property.name,
      takesReference(property) ? expandReference(property.name, given, sources) : given,
    );
  }
  return values;
}

function expandReference(name: PropertyName, value: string, sources: SettingsSources): string {
  if (value.startsWith('@@')) return value.slice(1);
  if (value.startsWith('@file:')) return readTextFile(name, value.slice(6), sources).replace(/\r?\n$/, '');
  if (value.startsWith('@env:')) {
    const variable = value.slice(5);
    const environment = sources.environment ?? process.env;
    const found = Object.hasOwn(environment, variable) ? environment[variable] : undefined;
    if (found === undefined || found === '') {
      throw settingsError('PROPERTY_VARIABLE_MISSING', { property: name, variable }, [name]);
    }
    return found;
  }
  return value;
}

function readTextFile(name: PropertyName, path: string, sources: SettingsSources): string {
  const read = sources.readFile ?? readSmallFile;
  try {
    const text = read(path).replace(/^\ufeff/, '');
    if (text.trim() === '') throw Object.assign(new Error(), { code: 'empty' });
    if (firstUnusableCharacter(text) >= 0) throw Object.assign(new Error(), { code: 'not text in UTF-8' });
    return text;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw settingsError('PROPERTY_FILE_UNREADABLE', { property: name, reason }, [name]);
  }
}

const LARGEST_FILE = 1_048_576;

// Only a regular file is opened: reading a pipe or a device could wait for ever.
function readSmallFile(path: string): string {
  const { size } = requireRegularFile(path);
  if (size > LARGEST_FILE) throw Object.assign(new Error(), { code: 'larger than 1 MiB' });
  return readFileSync(path, 'utf8');
}

function requireRegularFile(path: string): Stats {
  const stats = statSync(path);
  if (!stats.isFile()) throw Object.assign(new Error(), { code: 'not a regular file' });
  return stats;
}

function settingsError<Code extends ErrorCode>(
  code: Code,
  details: ErrorDetails<Code>,
  properties: readonly PropertyName[],
): ConnectorError<Code> {
  return new ConnectorError(code, details, { properties });
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
