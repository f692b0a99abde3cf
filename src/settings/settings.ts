import { chooseLogin, type InitiateOAuth, type LoginChoice } from './auth-scheme.js';
import {
  readConnectionString,
  readPropertyObject,
  type RawProperties,
  type ReadProperties,
  type SettingsNote,
} from './connection-string.js';
import type { LogSettings } from '../diagnostics.js';
import { environmentNotes } from './environment.js';
import { identityOf, type Identity } from './identity.js';
import { logOf } from './log.js';
import { PROPERTIES, type Property, type PropertyName } from './properties.js';
import { holds, isActive } from './property.js';
import { proxyOf, type ProxySettings } from './proxy.js';
import { expandReferences, type SettingsSources } from './references.js';
import type { Secret } from './secret.js';
import { serverOf, type ServerSettings } from './server.js';
import { ValueReader } from './value-reader.js';

export type {
  AssertionCredential,
  CertificateCredential,
  CredentialSettings,
  EntraIdentity,
  Identity,
  ManagedIdentity,
  OpenIdIdentity,
  PasswordIdentity,
  SecretCredential,
} from './identity.js';
export type { ProxySettings } from './proxy.js';
export type { ServerSettings, TlsSettings } from './server.js';

/** A token that the user obtained. */
export interface SuppliedToken {
  readonly token: Secret;
  /** Life from its creation; undefined: as the token says. */
  readonly lifetimeMs: number | undefined;
  /** When it was created, on the wall clock. */
  readonly createdAtMs: number | undefined;
}

/** Who obtains tokens, and where they are kept. */
export interface TokenSettings {
  readonly initiate: InitiateOAuth;
  /** With `REFRESH` and `OFF`. */
  readonly supplied: SuppliedToken | undefined;
  /** `memory://`, `memory://name` or the path of a file. */
  readonly location: string;
  readonly key: Secret | undefined;
}

/** The way to the token endpoint. */
export interface NetworkSettings {
  /** PEM text of the only authorities to trust, or undefined for those of Node.js. */
  readonly ca: string | undefined;
  readonly proxy: ProxySettings;
}

/**
 * A connection, checked and typed. Only {@link resolveSettings} makes one; it is frozen in depth
 * and holds every secret in a {@link Secret}, so it prints masked.
 */
export interface Settings {
  readonly server: ServerSettings;
  readonly identity: Identity;
  readonly tokens: TokenSettings;
  readonly network: NetworkSettings;
  readonly pool: {
    /** Whether sessions are kept for the next operation. */
    readonly keepsIdle: boolean;
    readonly minSize: number;
    readonly maxSize: number;
    /** 0 = no limit, as for the following three. */
    readonly waitMs: number;
    readonly idleMs: number;
    readonly lifeMs: number;
  };
  /** Limit of each single wait in milliseconds; 0 = none. */
  readonly timeoutMs: number;
  /** Most rows of a result; undefined = no limit. */
  readonly maxRows: number | undefined;
  readonly log: LogSettings;
  /** Log in when the connector is created. */
  readonly connectOnOpen: boolean;
}

/** A connection string, or property names and values; undefined (a variable that is not set) is an empty one. */
export type ConnectionProperties = string | Readonly<Record<string, unknown>> | undefined;

/** One line of `pg-entra explain`. */
export interface EffectiveProperty {
  readonly name: PropertyName;
  /** As it is used; `***` for a secret. */
  readonly value: string;
  readonly origin: 'given' | 'alias' | 'default' | 'derived';
  /** What it was derived from, or the name it was given by. */
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
 * @throws ConnectorError of type POSTGRESQL:SETTINGS, which tells everything that is missing, wrong,
 *   contradictory or not supported at once
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
  values.requireSupport();
  const login = chooseLogin(values);
  const deciding = {
    AuthScheme: login.scheme,
    InitiateOAuth: login.initiate,
    OAuthGrantType: login.grant,
  };
  const settings = build(values, login);
  values.requireAll(deciding);
  values.throwProblems();
  noteIdle(values, deciding);
  return {
    settings: deepFreeze(settings),
    effective: effectiveProperties(values, read, deciding),
    notes: [...read.notes, ...values.notes, ...environmentNotes(sources.environment ?? process.env)],
  };
}

/** Values of the properties that conditions ask for. */
type Deciding = Readonly<Record<'AuthScheme' | 'InitiateOAuth' | 'OAuthGrantType', string>>;

/** What was given and does not count with the login that was chosen. */
function noteIdle(values: ValueReader, deciding: Deciding): void {
  for (const property of PROPERTIES as readonly Property[]) {
    const { name, visibleWhen } = property;
    if (!visibleWhen || !values.has(name) || !isActive(property) || holds(visibleWhen, deciding)) continue;
    const unmet = Object.entries(visibleWhen).find(
      ([decider]) => !holds({ [decider]: visibleWhen[decider] ?? [] }, deciding),
    );
    const [decider = 'AuthScheme'] = unmet ?? [];
    values.note(name, `${name} has no effect with ${decider} ${deciding[decider as keyof Deciding]}.`);
  }
}

function build(values: ValueReader, login: LoginChoice): Settings {
  return {
    server: serverOf(values, login),
    identity: identityOf(values, login),
    tokens: tokensOf(values, login),
    network: { ca: values.pem('TokenCA'), proxy: proxyOf(values) },
    pool: poolOf(values),
    timeoutMs: values.milliseconds('Timeout'),
    maxRows: positive(values.integer('MaxRows')),
    log: logOf(values),
    connectOnOpen: values.boolean('ConnectOnOpen') === true,
  };
}

function tokensOf(values: ValueReader, { initiate }: LoginChoice): TokenSettings {
  const token = initiate === 'GETANDREFRESH' ? undefined : values.secret('OAuthAccessToken');
  const lifeSeconds = values.optionalInteger('OAuthExpiresIn');
  const createdAtMs = values.optionalInteger('OAuthTokenTimestamp');
  const isLocation = (text: string): boolean =>
    text.startsWith('memory://') || !/^[a-z][a-z\d+.-]+:\/\//i.test(text);
  return {
    initiate,
    supplied: token && {
      token,
      lifetimeMs: lifeSeconds === undefined ? undefined : lifeSeconds * 1_000,
      createdAtMs,
    },
    location: values.checked(
      'OAuthSettingsLocation',
      isLocation,
      'must be memory://, memory://name or the path of a file',
    ),
    key: keyOf(values),
  };
}

// It is not stretched: what it lacks in length, an attacker of the file gains.
function keyOf(values: ValueReader): Secret | undefined {
  const isLong = (text: string): boolean => text.length >= 32;
  values.optionalChecked('OAuthSettingsKey', isLong, 'must have 32 characters or more');
  return values.secret('OAuthSettingsKey');
}

function poolOf(values: ValueReader): Settings['pool'] {
  const pool = {
    keepsIdle: values.boolean('UseConnectionPooling') !== false,
    minSize: values.integer('PoolMinSize'),
    maxSize: values.integer('PoolMaxSize'),
    waitMs: values.milliseconds('PoolWaitTime'),
    idleMs: values.milliseconds('PoolIdleTimeout'),
    lifeMs: values.milliseconds('ConnectionLifeTime'),
  };
  if (pool.minSize > pool.maxSize) values.problem('PoolMinSize', 'must not be more than PoolMaxSize');
  return pool;
}

function positive(count: number): number | undefined {
  return count > 0 ? count : undefined;
}

function effectiveProperties(
  values: ValueReader,
  { aliases }: ReadProperties,
  deciding: Deciding,
): EffectiveProperty[] {
  const lines: EffectiveProperty[] = [];
  for (const property of PROPERTIES as readonly Property[]) {
    const { name, visibleWhen, derived, secret } = property;
    if (!isActive(property) || (visibleWhen && !holds(visibleWhen, deciding))) continue;
    const value = (deciding as Partial<Record<string, string>>)[name] ?? values.optional(name);
    if (value === undefined && derived === undefined) continue;
    const alias = aliases.get(name);
    lines.push({
      name,
      value: secret && value !== undefined ? '***' : (value ?? ''),
      origin: originOf(property, values, alias),
      note: alias === undefined ? (values.has(name) ? undefined : derived) : `given as ${alias}`,
    });
  }
  return lines;
}

function originOf(
  property: Property,
  values: ValueReader,
  alias: string | undefined,
): EffectiveProperty['origin'] {
  if (alias !== undefined) return 'alias';
  if (values.has(property.name)) return 'given';
  return property.default === undefined ? 'derived' : 'default';
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object);
  }
  return Object.freeze(value);
}
