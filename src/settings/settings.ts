import type { LogSettings } from '../diagnostics.js';
import { chooseLogin, type InitiateOAuth, type LoginChoice } from './auth-scheme.js';
import { readConnectionString, readPropertyObject } from './connection-string.js';
import { effectiveProperties, noteIdle, type EffectiveProperty } from './explain.js';
import { environmentNotes } from './environment.js';
import { identityOf, type Identity } from './identity.js';
import { logOf } from './log.js';
import { propertyOf } from './properties.js';
import { proxyOf, type ProxySettings } from './proxy.js';
import type { RawProperties, ReadProperties, SettingsNote } from './raw-properties.js';
import type { SettingsSources } from './references.js';
import type { Secret } from './secret.js';
import { serverOf, type ServerSettings } from './server.js';
import { tokenKeyOf } from './token-key.js';
import { ValueReader } from './value-reader.js';

export type { EffectiveProperty } from './explain.js';
export type {
  CertificateCredential,
  CredentialSettings,
  EntraIdentity,
  Identity,
  ManagedIdentity,
  OpenIdIdentity,
  SecretCredential,
} from './identity.js';
export type { ServerHost, TargetServer } from './hosts.js';
export type { ProxySettings } from './proxy.js';
export type { ServerSettings } from './server.js';
export type { ClientCertificate, TlsSettings } from './tls.js';
export type { FirewallProxy, SshProof, SshServer, WaySettings } from './way.js';

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

/** What is done about a login that fails for a reason that may pass. */
export interface ReconnectionSettings {
  readonly strategy: 'NONE' | 'STANDARD' | 'FOREVER';
  /** Wait before each new attempt. */
  readonly frequencyMs: number;
  /** Attempts after the first one, with `STANDARD`. */
  readonly attempts: number;
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
  readonly reconnection: ReconnectionSettings;
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
  const values = new ValueReader(read.properties, sources);
  const login = chooseLogin(values);
  values.requireSupport();
  const settings = build(values, login);
  const deciding = {
    AuthScheme: login.scheme,
    InitiateOAuth: login.initiate,
    OAuthGrantType: login.grant,
    FirewallType: values.counting('FirewallType') ?? '',
    UseSSH: values.counting('UseSSH') ?? '',
    SSHAuthMode: values.counting('SSHAuthMode') ?? '',
  };
  values.requireAll(login.isRefused ? {} : deciding);
  values.throwProblems();
  noteIdle(values, deciding);
  return {
    settings: deepFreeze(settings),
    effective: effectiveProperties(values, read.aliases, deciding),
    notes: [...read.notes, ...values.notes, ...environmentNotes(sources.environment ?? process.env)],
  };
}

function build(values: ValueReader, login: LoginChoice): Settings {
  return {
    server: serverOf(values, login),
    identity: identityOf(values, login),
    tokens: tokensOf(values, login),
    network: { ca: values.pem('TokenCA'), proxy: proxyOf(values) },
    pool: poolOf(values),
    reconnection: reconnectionOf(values),
    timeoutMs: values.milliseconds('Timeout'),
    maxRows: positive(values.integer('MaxRows')),
    log: logOf(values),
    connectOnOpen: values.boolean('ConnectOnOpen') === true,
  };
}

function tokensOf(values: ValueReader, login: LoginChoice): TokenSettings {
  const { initiate } = login;
  const token = initiate === 'GETANDREFRESH' ? undefined : values.secret('OAuthAccessToken');
  const lifeSeconds = values.optionalInteger('OAuthExpiresIn');
  const createdAtMs = values.optionalInteger('OAuthTokenTimestamp');
  // Only both together say when it ends.
  if (lifeSeconds === undefined) values.idle(['OAuthTokenTimestamp'], 'without OAuthExpiresIn');
  if (createdAtMs === undefined) values.idle(['OAuthExpiresIn'], 'without OAuthTokenTimestamp');
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
    key: tokenKeyOf(values, login),
  };
}

function poolOf(values: ValueReader): Settings['pool'] {
  const wantsPool = values.boolean('UseConnectionPooling') !== false;
  const maxSize = maxSizeOf(values);
  const keepsIdle = wantsPool && maxSize !== 0;
  if (!keepsIdle)
    values.idle(['PoolMinSize', 'PoolIdleTimeout', 'ConnectionLifeTime'], 'with UseConnectionPooling false');
  const pool = {
    keepsIdle,
    minSize: values.integer('PoolMinSize'),
    maxSize: maxSize === 0 ? Number(propertyOf('PoolMaxSize').default) : maxSize,
    waitMs: values.milliseconds('PoolWaitTime'),
    idleMs: values.milliseconds('PoolIdleTimeout'),
    lifeMs: values.milliseconds('ConnectionLifeTime'),
  };
  if (keepsIdle && pool.minSize > pool.maxSize)
    values.problem('PoolMinSize', 'must not be more than PoolMaxSize');
  return pool;
}

/** 0 where the pool is switched off by it, as CData does. */
function maxSizeOf(values: ValueReader): number {
  if (!/^(0|-\d{1,15})$/.test(values.text('PoolMaxSize'))) return values.integer('PoolMaxSize');
  values.readAs('PoolMaxSize', 'UseConnectionPooling=false');
  values.count('PoolMaxSize', propertyOf('PoolMaxSize').default ?? '');
  values.count('UseConnectionPooling', 'false', 'from PoolMaxSize');
  return 0;
}

function reconnectionOf(values: ValueReader): ReconnectionSettings {
  const strategy = (values.choice('ReconnectionStrategy') ?? 'NONE') as ReconnectionSettings['strategy'];
  if (strategy !== 'STANDARD') values.idle(['ReconnectionAttempts'], `with ReconnectionStrategy ${strategy}`);
  if (strategy === 'NONE') values.idle(['ReconnectionFrequency'], `with ReconnectionStrategy ${strategy}`);
  return {
    strategy,
    frequencyMs: values.integer('ReconnectionFrequency'),
    attempts: values.integer('ReconnectionAttempts'),
  };
}

function positive(count: number): number | undefined {
  return count > 0 ? count : undefined;
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object);
  }
  return Object.freeze(value);
}
