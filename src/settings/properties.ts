/**
 * THE table of connection properties: names as CData has them, everything else that is known
 * about a property beside its name. The parser, `connector.json`, the host forms, the help texts,
 * `docs/properties.md` and the masking are made from it; a fact about a property stands only here.
 */

/** Sections of a connection form, in the order they are shown. */
export const PROPERTY_GROUPS = {
  server: 'Server',
  azure: 'Azure Authentication',
  oauth: 'OAuth',
  jwt: 'JWT OAuth',
  ssl: 'SSL',
  pooling: 'Pooling',
  miscellaneous: 'Miscellaneous',
} as const;

export type PropertyGroup = keyof typeof PROPERTY_GROUPS;

/** A rule that holds while another property has one of the named values. */
export interface PropertyCondition {
  readonly property: string;
  readonly in: readonly string[];
}

interface PropertyFacts {
  /** Canonical name, as in a connection string. */
  readonly name: string;
  /** Name in a form, with spaces; accepted in a connection string too. */
  readonly title: string;
  /** Further names that are accepted for it (older CData builds, ADO, libpq). */
  readonly aliases?: readonly string[];
  readonly group: PropertyGroup;
  /** `pem` is PEM text or the path of a PEM file. */
  readonly kind: 'text' | 'integer' | 'boolean' | 'choice' | 'pem';
  /** Allowed values of a choice, compared without regard to case. */
  readonly choices?: readonly string[];
  /** Inclusive bounds of an integer. */
  readonly range?: readonly [number, number];
  readonly unit?: 'seconds';
  readonly default?: string;
  /** What happens when it is absent, where no constant default exists. */
  readonly derived?: string;
  /** Its value is masked everywhere and kept in the host's credential store. */
  readonly secret?: true;
  /** `true`: always; a condition: only then. */
  readonly required?: true | PropertyCondition;
  /** Property that may be given in its place where it is required. */
  readonly instead?: string;
  /** Forms show it only then. */
  readonly visibleWhen?: PropertyCondition;
  /** One line for forms and documents. */
  readonly help: string;
}

const WITH_SECRET: PropertyCondition = { property: 'AuthScheme', in: ['AzureServicePrincipal'] };
const WITH_CERTIFICATE: PropertyCondition = { property: 'AuthScheme', in: ['AzureServicePrincipalCert'] };
const CAN_HAVE_SECRET: PropertyCondition = { property: 'AuthScheme', in: [...WITH_SECRET.in, 'AzureAD'] };
const CAN_HAVE_CERTIFICATE: PropertyCondition = {
  property: 'AuthScheme',
  in: [...WITH_CERTIFICATE.in, 'AzureAD'],
};

/** Longest time a timer of Node.js can wait, in whole seconds (2^31 - 1 ms). */
const TIMER_SECONDS = 2_147_483;

export const PROPERTIES = [
  {
    name: 'AuthScheme',
    title: 'Auth Scheme',
    group: 'azure',
    kind: 'choice',
    choices: ['AzureServicePrincipal', 'AzureServicePrincipalCert', 'AzureAD'],
    derived: 'AzureServicePrincipalCert when OAuthJWTCert is set, else AzureServicePrincipal',
    help: 'How to log in: a client secret (AzureServicePrincipal) or a certificate (AzureServicePrincipalCert). AzureAD with OAuthGrantType=CLIENT is the older spelling and takes either.',
  },
  {
    name: 'Server',
    title: 'Server',
    aliases: ['Host', 'DataSource'],
    group: 'server',
    kind: 'text',
    required: true,
    help: 'Host name of the PostgreSQL server, for example contoso.postgres.database.azure.com.',
  },
  {
    name: 'Port',
    title: 'Port',
    group: 'server',
    kind: 'integer',
    range: [1, 65_535],
    default: '5432',
    help: 'TCP port of the server.',
  },
  {
    name: 'Database',
    title: 'Database',
    aliases: ['InitialCatalog', 'dbname'],
    group: 'server',
    kind: 'text',
    required: true,
    help: 'Database to open.',
  },
  {
    name: 'User',
    title: 'User',
    aliases: ['UserId', 'Uid', 'Username'],
    group: 'server',
    kind: 'text',
    required: true,
    help: 'Database role of the application: the exact name (case too) it was created with, usually the display name of the app registration. Not the client id.',
  },
  {
    name: 'UseSSL',
    title: 'Use SSL',
    group: 'ssl',
    kind: 'boolean',
    default: 'true',
    help: 'Encrypts the connection and verifies the server. A token is never sent without, so false is refused with the Azure schemes.',
  },
  {
    name: 'SSLCA',
    title: 'SSL CA',
    aliases: ['sslrootcert'],
    group: 'ssl',
    kind: 'pem',
    derived: 'the certificate authorities that Node.js trusts',
    help: 'CA certificates (PEM text, or the path of a PEM file) that the certificate of the server must come from.',
  },
  {
    name: 'AzureTenant',
    title: 'Azure Tenant',
    group: 'azure',
    kind: 'text',
    required: true,
    help: 'Tenant that issues the token: its directory id, or one of its domain names such as contoso.onmicrosoft.com. The authority is discovered from it.',
  },
  {
    name: 'AzureAuthority',
    title: 'Azure Authority',
    group: 'azure',
    kind: 'text',
    default: 'https://login.microsoftonline.com',
    help: 'Host of the authority, for a private or test authority. National clouds are found from the tenant.',
  },
  {
    name: 'TokenCA',
    title: 'Token CA',
    group: 'azure',
    kind: 'pem',
    derived: 'the certificate authorities that Node.js trusts',
    help: 'CA certificates (PEM text, or the path of a PEM file) for the token endpoint, for example of a proxy that inspects TLS.',
  },
  {
    name: 'InitiateOAuth',
    title: 'Initiate OAuth',
    group: 'oauth',
    kind: 'choice',
    choices: ['GETANDREFRESH'],
    default: 'GETANDREFRESH',
    help: 'GETANDREFRESH: the connector obtains the token, keeps it and renews it ahead of its end. No browser is ever opened.',
  },
  {
    name: 'OAuthGrantType',
    title: 'OAuth Grant Type',
    group: 'oauth',
    kind: 'choice',
    choices: ['CLIENT'],
    default: 'CLIENT',
    help: 'CLIENT: the application logs in as itself (OAuth 2.0 client credentials).',
  },
  {
    name: 'OAuthClientId',
    title: 'OAuth Client Id',
    aliases: ['ClientId'],
    group: 'oauth',
    kind: 'text',
    required: true,
    help: 'Application (client) id of the app registration.',
  },
  {
    name: 'OAuthClientSecret',
    title: 'OAuth Client Secret',
    aliases: ['ClientSecret'],
    group: 'oauth',
    kind: 'text',
    secret: true,
    required: WITH_SECRET,
    instead: 'OAuthJWTCert',
    visibleWhen: CAN_HAVE_SECRET,
    help: 'Value of a client secret of the app registration (not the secret id).',
  },
  {
    name: 'OAuthJWTCert',
    title: 'OAuth JWT Cert',
    group: 'jwt',
    kind: 'text',
    secret: true,
    required: WITH_CERTIFICATE,
    visibleWhen: CAN_HAVE_CERTIFICATE,
    help: 'Certificate with its private key: the path of a PFX or PEM file, or the content itself (PEM text or base64).',
  },
  {
    name: 'OAuthJWTCertType',
    title: 'OAuth JWT Cert Type',
    group: 'jwt',
    kind: 'choice',
    choices: ['AUTO', 'PFXFILE', 'PFXBLOB', 'PEMKEY_FILE', 'PEMKEY_BLOB'],
    default: 'AUTO',
    visibleWhen: CAN_HAVE_CERTIFICATE,
    help: 'What OAuthJWTCert holds: a file or a blob, PFX (PKCS#12) or PEM. AUTO looks at the content.',
  },
  {
    name: 'OAuthJWTCertPassword',
    title: 'OAuth JWT Cert Password',
    group: 'jwt',
    kind: 'text',
    secret: true,
    visibleWhen: CAN_HAVE_CERTIFICATE,
    help: 'Password of the PFX file or of the encrypted private key.',
  },
  {
    name: 'OAuthJWTCertSubject',
    title: 'OAuth JWT Cert Subject',
    group: 'jwt',
    kind: 'text',
    default: '*',
    visibleWhen: CAN_HAVE_CERTIFICATE,
    help: 'Which certificate of the store: a subject (CN=…), a part of one, or * for the one that is valid longest.',
  },
  {
    name: 'Scope',
    title: 'Scope',
    group: 'oauth',
    kind: 'text',
    derived: 'the scope of Azure Database for PostgreSQL in the cloud of the tenant',
    help: 'Scope of the token; ends with /.default. Leave empty for Azure Database for PostgreSQL.',
  },
  {
    name: 'OAuthSettingsLocation',
    title: 'OAuth Settings Location',
    group: 'oauth',
    kind: 'text',
    default: 'memory://',
    help: 'Where the token is kept. memory://name is shared by all connections of this process that use the same name.',
  },
  {
    name: 'PoolMinSize',
    title: 'Pool Min Size',
    group: 'pooling',
    kind: 'integer',
    range: [0, 1_000],
    default: '0',
    help: 'Idle sessions that are kept open.',
  },
  {
    name: 'PoolMaxSize',
    title: 'Pool Max Size',
    group: 'pooling',
    kind: 'integer',
    range: [1, 1_000],
    default: '10',
    help: 'Most sessions this connection opens at once.',
  },
  {
    name: 'PoolWaitTime',
    title: 'Pool Wait Time',
    group: 'pooling',
    kind: 'integer',
    range: [0, TIMER_SECONDS],
    unit: 'seconds',
    default: '60',
    help: 'How long an operation waits for a free session; 0 waits without limit.',
  },
  {
    name: 'PoolIdleTimeout',
    title: 'Pool Idle Timeout',
    group: 'pooling',
    kind: 'integer',
    range: [0, TIMER_SECONDS],
    unit: 'seconds',
    default: '60',
    help: 'How long an idle session stays open; 0 keeps it.',
  },
  {
    name: 'ConnectionLifeTime',
    title: 'Connection Life Time',
    group: 'pooling',
    kind: 'integer',
    range: [0, TIMER_SECONDS],
    unit: 'seconds',
    default: '0',
    help: 'Age at which a session is replaced by a new one; 0 sets no limit.',
  },
  {
    name: 'Timeout',
    title: 'Timeout',
    aliases: ['ConnectTimeout', 'ConnectionTimeout'],
    group: 'miscellaneous',
    kind: 'integer',
    range: [0, TIMER_SECONDS],
    unit: 'seconds',
    default: '60',
    help: 'Limit of each wait: for the connection, for the token, for one answer of the server; 0 sets no limit.',
  },
  {
    name: 'ApplicationName',
    title: 'Application Name',
    aliases: ['application_name'],
    group: 'miscellaneous',
    kind: 'text',
    default: 'pg-entra',
    help: 'Name shown in pg_stat_activity and in the log of the server.',
  },
] as const satisfies readonly PropertyFacts[];

/** Canonical name of a property. */
export type PropertyName = (typeof PROPERTIES)[number]['name'];

/** One row of the table. */
export interface Property extends PropertyFacts {
  readonly name: PropertyName;
}

const BY_FOLDED_NAME = new Map<string, Property>(
  PROPERTIES.flatMap((property: Property) =>
    [property.name, property.title, ...(property.aliases ?? [])].map(
      (name) => [fold(name), property] as const,
    ),
  ),
);

/**
 * The property that `name` stands for: its canonical name, its title or an alias, without regard
 * to case, blanks, hyphens and underscores. Undefined for an unknown name.
 */
export function findProperty(name: string): Property | undefined {
  return BY_FOLDED_NAME.get(fold(name));
}

/** The row of `name`. */
export function propertyOf(name: PropertyName): Property {
  const property = BY_FOLDED_NAME.get(fold(name));
  if (!property) throw new TypeError(`no row for ${name}`);
  return property;
}

/** Whether a value `@file:PATH` or `@env:NAME` is resolved for `property`. */
export function takesReference(property: Property): boolean {
  return property.secret === true || property.kind === 'pem';
}

function fold(name: string): string {
  return name.replace(/[\s_-]/g, '').toLowerCase();
}

/** Whether `condition` is met by the values of `deciding`. */
export function holds(condition: PropertyCondition, deciding: Readonly<Record<string, string>>): boolean {
  return condition.in.includes(deciding[condition.property] ?? '');
}
