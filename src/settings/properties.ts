/**
 * THE table of connection properties: names as CData has them, everything else that is known
 * about a property beside its name. The parser, `connector.json`, the host forms, the help texts,
 * `docs/properties.md` and the masking are made from it; a fact about a property stands only here.
 */
import { ELSEWHERE, NO_AWS, NO_KERBEROS } from './elsewhere.js';
import { SUPPORTED_TYPES, UNSUPPORTED_TYPES } from './key-store-types.js';
import type { PropertyCondition, PropertyFacts } from './property.js';

const REQUESTING = ['GETANDREFRESH', 'REFRESH'];
const ENTRA_APPLICATIONS = [
  'AzureServicePrincipal',
  'AzureServicePrincipalCert',
  'AzureAD',
  'AzureWorkloadIdentity',
];
const CLIENTS = [...ENTRA_APPLICATIONS, 'OAuthClient'];
const REQUESTERS = [...CLIENTS, 'AzureMSI'];
const TOKEN_SCHEMES = [...REQUESTERS, 'OAuthToken'];

const WITH_TOKEN: PropertyCondition = { AuthScheme: TOKEN_SCHEMES };
const WITH_OWN_TOKEN: PropertyCondition = {
  AuthScheme: TOKEN_SCHEMES,
  InitiateOAuth: ['REFRESH', 'OFF'],
};
const REQUESTS: PropertyCondition = { AuthScheme: REQUESTERS, InitiateOAuth: REQUESTING };
const REQUESTS_WITH_ENTRA: PropertyCondition = {
  AuthScheme: [...ENTRA_APPLICATIONS, 'AzureMSI'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_BY_SECRET: PropertyCondition = {
  AuthScheme: ['AzureServicePrincipal', 'AzureAD', 'OAuthClient'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_BY_CERTIFICATE: PropertyCondition = {
  AuthScheme: ['AzureServicePrincipalCert', 'AzureAD', 'OAuthClient'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_BY_ASSERTION: PropertyCondition = {
  AuthScheme: ['AzureWorkloadIdentity'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_OPENID: PropertyCondition = { AuthScheme: ['OAuthClient'], InitiateOAuth: REQUESTING };
const REQUESTS_OPENID_TOKEN: PropertyCondition = {
  AuthScheme: ['OAuthClient'],
  OAuthGrantType: ['CLIENT'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_BY_GRANT: PropertyCondition = {
  AuthScheme: ['OAuthClient'],
  OAuthGrantType: ['JWT'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_FROM_ENTRA: PropertyCondition = { AuthScheme: ENTRA_APPLICATIONS, InitiateOAuth: REQUESTING };
const REQUESTS_AS_CLIENT: PropertyCondition = { AuthScheme: CLIENTS, InitiateOAuth: REQUESTING };
const REQUESTS_WITH_SECRET: PropertyCondition = {
  AuthScheme: ['AzureServicePrincipal'],
  InitiateOAuth: REQUESTING,
};
const REQUESTS_WITH_CERTIFICATE: PropertyCondition = {
  AuthScheme: ['AzureServicePrincipalCert'],
  InitiateOAuth: REQUESTING,
};

/** Every way to log in, by its name in `AuthScheme`. */
const SCHEMES = [...TOKEN_SCHEMES, 'Password'];

const NEEDS_BROWSER =
  'it needs a browser or a user, and a flow has neither; use AzureServicePrincipal or AzureServicePrincipalCert';
const REFUSED_SCHEMES = {
  AzurePassword: NEEDS_BROWSER,
  Kerberos: NO_KERBEROS,
  AwsIAMRoles: NO_AWS,
  AwsEC2Roles: NO_AWS,
  GCPServiceAccount:
    'Google Cloud logins are not supported; use Password, or OAuthToken with a token of yours',
};
const REFUSED_GRANTS = {
  CODE: NEEDS_BROWSER,
  PASSWORD: NEEDS_BROWSER,
  REFRESH: 'an application renews its token without a refresh token; use CLIENT',
};
const NO_PROXY_LOGIN = 'only BASIC is supported; ask for a proxy rule for this machine, or use BASIC';
const REFUSED_PROXY_SCHEMES = {
  DIGEST: NO_PROXY_LOGIN,
  NEGOTIATE: NO_PROXY_LOGIN,
  NTLM: NO_PROXY_LOGIN,
  PROPRIETARY: NO_PROXY_LOGIN,
};

/** Longest time a timer of Node.js can wait, in whole seconds (2^31 - 1 ms). */
const TIMER_SECONDS = 2_147_483;

export const PROPERTIES = [
  {
    name: 'AuthScheme',
    title: 'Auth Scheme',
    group: 'authentication',
    kind: 'choice',
    choices: SCHEMES,
    refused: REFUSED_SCHEMES,
    derived:
      'from the credential that is set: OAuthJWTCert, OAuthClientSecret, OAuthClientAssertion, OAuthAccessToken or Password',
    help: 'How to log in. AzureServicePrincipal: client secret; AzureServicePrincipalCert: certificate; AzureWorkloadIdentity: federated token; AzureMSI: managed identity; OAuthClient: any OpenID provider; OAuthToken: a token you supply; Password: database password. AzureAD with OAuthGrantType=CLIENT is the older spelling of the first two.',
  },
  {
    name: 'Server',
    title: 'Server',
    aliases: ['Host', 'DataSource', 'ServerName', 'Address', 'Addr', 'hostaddr'],
    group: 'authentication',
    kind: 'text',
    required: true,
    help: 'Host name of the PostgreSQL server, for example contoso.postgres.database.azure.com.',
  },
  {
    name: 'Port',
    title: 'Port',
    group: 'authentication',
    kind: 'integer',
    range: [1, 65_535],
    default: '5432',
    help: 'TCP port of the server.',
  },
  {
    name: 'Database',
    title: 'Database',
    aliases: ['InitialCatalog', 'dbname', 'DB'],
    group: 'authentication',
    kind: 'text',
    derived: 'the value of User, as the server has it',
    help: 'Database to open.',
  },
  {
    name: 'User',
    title: 'User',
    aliases: ['UserId', 'Uid', 'Username'],
    group: 'authentication',
    kind: 'text',
    required: true,
    help: 'Database role of the application: the exact name (case too) it was created with, usually the display name of the app registration. Not the client id.',
  },
  {
    name: 'Password',
    title: 'Password',
    aliases: ['Pwd', 'PSW'],
    group: 'authentication',
    kind: 'text',
    secret: true,
    required: { AuthScheme: ['Password'] },
    visibleWhen: { AuthScheme: ['Password'] },
    help: 'Password of the database role, for AuthScheme=Password.',
  },
  {
    name: 'RequireAuth',
    title: 'Require Auth',
    group: 'authentication',
    kind: 'choice',
    choices: ['SCRAM-SHA-256', 'MD5', 'PASSWORD'],
    default: 'SCRAM-SHA-256',
    visibleWhen: { AuthScheme: ['Password'] },
    help: 'Weakest way in which a password may be given to the server: SCRAM-SHA-256 proves it without sending it, MD5 is broken, PASSWORD sends it as it is (over verified TLS only).',
  },
  {
    name: 'UseSSL',
    title: 'Use SSL',
    aliases: ['ssl', 'Encrypt'],
    group: 'authentication',
    kind: 'boolean',
    default: 'true',
    help: 'Encrypts the connection. A token is never sent without, so false is refused unless AuthScheme is Password.',
  },
  {
    name: 'AzureTenant',
    title: 'Azure Tenant',
    aliases: ['TenantId', 'AzureTenantId', 'DirectoryId'],
    group: 'azure',
    kind: 'text',
    required: REQUESTS_FROM_ENTRA,
    visibleWhen: REQUESTS_FROM_ENTRA,
    help: 'Tenant that issues the token: its directory id, or one of its domain names such as contoso.onmicrosoft.com. The authority is discovered from it.',
  },
  {
    name: 'AzureEnvironment',
    title: 'Azure Environment',
    group: 'azure',
    kind: 'choice',
    choices: ['AUTO', 'GLOBAL', 'USGOVT', 'CHINA'],
    default: 'AUTO',
    visibleWhen: REQUESTS_WITH_ENTRA,
    help: 'Cloud of the tenant. AUTO reads it from the OpenID configuration of the tenant; a named one is held to.',
  },
  {
    name: 'AzureAuthority',
    title: 'Azure Authority',
    group: 'azure',
    kind: 'text',
    derived: 'the authority of AzureEnvironment',
    visibleWhen: REQUESTS_FROM_ENTRA,
    help: 'Host of the authority, for a private or test authority. The clouds of Microsoft are found from the tenant.',
  },
  {
    name: 'AzureRegion',
    title: 'Azure Region',
    group: 'azure',
    kind: 'text',
    derived: 'the global token service',
    visibleWhen: REQUESTS_FROM_ENTRA,
    help: 'Region whose token service is asked, for example westeurope.',
  },
  {
    name: 'InitiateOAuth',
    title: 'Initiate OAuth',
    group: 'oauth',
    kind: 'choice',
    choices: ['GETANDREFRESH', 'REFRESH', 'OFF'],
    derived: 'OFF where only OAuthAccessToken is set, else GETANDREFRESH',
    visibleWhen: WITH_TOKEN,
    help: 'GETANDREFRESH: the connector obtains the token, keeps it and renews it ahead of its end. REFRESH: the first token is yours (OAuthAccessToken), the renewals are the connector’s. OFF: only your token is used. No browser is ever opened.',
  },
  {
    name: 'OAuthGrantType',
    title: 'OAuth Grant Type',
    group: 'oauth',
    kind: 'choice',
    choices: ['CLIENT', 'JWT'],
    refused: REFUSED_GRANTS,
    default: 'CLIENT',
    visibleWhen: REQUESTS_AS_CLIENT,
    help: 'CLIENT: the application logs in as itself (client credentials). JWT: with a signed assertion as grant (RFC 7523), for OAuthClient.',
  },
  {
    name: 'OAuthClientId',
    title: 'OAuth Client Id',
    aliases: ['ClientId', 'AzureClientId', 'ApplicationId'],
    group: 'oauth',
    kind: 'text',
    required: REQUESTS_AS_CLIENT,
    visibleWhen: REQUESTS,
    help: 'Application (client) id of the app registration. With AzureMSI: the client id of a user-assigned identity, empty for the system-assigned one.',
  },
  {
    name: 'OAuthClientSecret',
    title: 'OAuth Client Secret',
    aliases: ['ClientSecret', 'AzureClientSecret'],
    group: 'oauth',
    kind: 'text',
    secret: true,
    required: [REQUESTS_WITH_SECRET, REQUESTS_OPENID_TOKEN],
    instead: ['OAuthJWTCert'],
    visibleWhen: REQUESTS_BY_SECRET,
    help: 'Value of a client secret of the app registration (not the secret id).',
  },
  {
    name: 'OAuthClientSecretFallback',
    title: 'OAuth Client Secret Fallback',
    group: 'oauth',
    kind: 'text',
    secret: true,
    visibleWhen: REQUESTS_BY_SECRET,
    beside: 'OAuthClientSecret',
    help: 'Second client secret, tried when the first one is refused or expired: the overlap while secrets are rotated.',
  },
  {
    name: 'OAuthClientSecretExpires',
    title: 'OAuth Client Secret Expires',
    group: 'oauth',
    kind: 'text',
    visibleWhen: REQUESTS_BY_SECRET,
    beside: 'OAuthClientSecret',
    help: 'Date on which the client secret expires (2027-03-31), for warnings 30, 7 and 1 days ahead.',
  },
  {
    name: 'OAuthClientAssertion',
    title: 'OAuth Client Assertion',
    group: 'oauth',
    kind: 'text',
    secret: true,
    required: REQUESTS_BY_ASSERTION,
    visibleWhen: REQUESTS_BY_ASSERTION,
    help: 'Federated token that stands in for a secret, usually @file: and the path of a projected service account token; the file is read again for each request.',
  },
  {
    name: 'OAuthIssuer',
    title: 'OAuth Issuer',
    group: 'oauth',
    kind: 'text',
    required: REQUESTS_OPENID,
    instead: ['OAuthAccessTokenURL'],
    visibleWhen: REQUESTS_OPENID,
    help: 'Issuer of an OpenID provider, as in its configuration document, from which the token endpoint is discovered.',
  },
  {
    name: 'OAuthAccessTokenURL',
    title: 'OAuth Access Token URL',
    aliases: ['TokenUrl', 'TokenEndpoint'],
    group: 'oauth',
    kind: 'text',
    derived: 'the configuration document of OAuthIssuer',
    visibleWhen: REQUESTS_OPENID,
    help: 'Token endpoint, where nothing is to be discovered.',
  },
  {
    name: 'OAuthPasswordGrantMode',
    title: 'OAuth Password Grant Mode',
    group: 'oauth',
    kind: 'choice',
    choices: ['BASIC', 'POST'],
    derived: 'POST for Microsoft Entra ID, BASIC for OAuthClient',
    visibleWhen: REQUESTS_BY_SECRET,
    beside: 'OAuthClientSecret',
    help: 'Where id and secret travel: in the Authorization header (BASIC) or in the form (POST).',
  },
  {
    name: 'Scope',
    title: 'Scope',
    aliases: ['OAuthScope'],
    group: 'oauth',
    kind: 'text',
    derived: 'the scope of Azure Database for PostgreSQL in the cloud of the tenant; none for OAuthClient',
    visibleWhen: REQUESTS,
    help: 'Scope of the token. For Microsoft Entra ID one resource and /.default; leave it empty for Azure Database for PostgreSQL.',
  },
  {
    name: 'OAuthAudience',
    title: 'OAuth Audience',
    group: 'oauth',
    kind: 'text',
    derived: 'the resource of Scope; none for OAuthClient',
    visibleWhen: REQUESTS,
    help: 'Audience that the token must be for, where it is not the resource of Scope; OAuthClient also asks for it.',
  },
  {
    name: 'OAuthAccessToken',
    title: 'OAuth Access Token',
    aliases: ['AccessToken'],
    group: 'oauth',
    kind: 'text',
    secret: true,
    required: WITH_OWN_TOKEN,
    visibleWhen: WITH_OWN_TOKEN,
    help: 'A token that you obtained yourself, for OAuthToken or InitiateOAuth REFRESH and OFF.',
  },
  {
    name: 'OAuthExpiresIn',
    title: 'OAuth Expires In',
    group: 'oauth',
    kind: 'integer',
    range: [1, 31_536_000],
    unit: 'seconds',
    derived: 'what the token itself says, if it is a JWT',
    visibleWhen: WITH_OWN_TOKEN,
    beside: 'OAuthAccessToken',
    help: 'Life of OAuthAccessToken from its creation (OAuthTokenTimestamp).',
  },
  {
    name: 'OAuthTokenTimestamp',
    title: 'OAuth Token Timestamp',
    group: 'oauth',
    kind: 'integer',
    range: [1_000_000_000_000, 9_999_999_999_999],
    unit: 'milliseconds',
    derived: 'what the token itself says, if it is a JWT',
    visibleWhen: WITH_OWN_TOKEN,
    beside: 'OAuthAccessToken',
    help: 'When OAuthAccessToken was created, since 1970; it counts together with OAuthExpiresIn.',
  },
  {
    name: 'OAuthSettingsLocation',
    title: 'OAuth Settings Location',
    group: 'oauth',
    kind: 'text',
    default: 'memory://',
    visibleWhen: REQUESTS,
    help: 'Where the token is kept: memory:// (this connection), memory://name (all connections of this process that use the name), or the path of a file, encrypted, that processes share.',
  },
  {
    name: 'OAuthSettingsKey',
    title: 'OAuth Settings Key',
    group: 'oauth',
    kind: 'text',
    derived: 'for a file: the client secret (32 characters or more) or the private key, where there is one',
    secret: true,
    visibleWhen: REQUESTS,
    beside: 'OAuthSettingsLocation',
    help: 'Key text of 32 characters or more that encrypts the file of OAuthSettingsLocation.',
  },
  {
    name: 'OAuthJWTCert',
    title: 'OAuth JWT Cert',
    group: 'jwt',
    kind: 'store',
    secret: true,
    required: [REQUESTS_WITH_CERTIFICATE, REQUESTS_BY_GRANT],
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    help: 'Certificate with its private key: the path of a PFX, PEM, JKS or JWK file, or the content itself (PEM text or base64).',
  },
  {
    name: 'OAuthJWTCertType',
    title: 'OAuth JWT Cert Type',
    group: 'jwt',
    kind: 'choice',
    choices: SUPPORTED_TYPES,
    refused: UNSUPPORTED_TYPES,
    default: 'AUTO',
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'What OAuthJWTCert holds: a file or a blob, and its format. AUTO looks at the content.',
  },
  {
    name: 'OAuthJWTCertPassword',
    title: 'OAuth JWT Cert Password',
    group: 'jwt',
    kind: 'text',
    secret: true,
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Password of the store or of the encrypted private key.',
  },
  {
    name: 'OAuthJWTCertKeyPassword',
    title: 'OAuth JWT Cert Key Password',
    group: 'jwt',
    kind: 'text',
    derived: 'OAuthJWTCertPassword',
    secret: true,
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Password of the key in a Java key store, where it differs from that of the store.',
  },
  {
    name: 'OAuthJWTCertSubject',
    title: 'OAuth JWT Cert Subject',
    group: 'jwt',
    kind: 'text',
    default: '*',
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Which certificate of the store: a subject (CN=…), a part of one, an alias, or * for the one that is valid longest.',
  },
  {
    name: 'OAuthJWTCertFallback',
    title: 'OAuth JWT Cert Fallback',
    group: 'jwt',
    kind: 'store',
    secret: true,
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Second certificate with its key, tried when the first one is refused or expired: the overlap while certificates are rotated. Its format is found from its content; it shares password and subject with the first.',
  },
  {
    name: 'OAuthJWTEncryption',
    title: 'OAuth JWT Encryption',
    aliases: ['OAuthJWTAlgorithm'],
    group: 'jwt',
    kind: 'choice',
    choices: ['PS256', 'RS256'],
    default: 'PS256',
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Signature of the assertion: PS256 names the certificate by x5t#S256, RS256 by x5t.',
  },
  {
    name: 'OAuthJWTSendX5C',
    title: 'OAuth JWT Send X5C',
    group: 'jwt',
    kind: 'boolean',
    default: 'false',
    visibleWhen: REQUESTS_BY_CERTIFICATE,
    beside: 'OAuthJWTCert',
    help: 'Sends the certificate chain with the assertion (x5c), for applications that trust a subject name and issuer.',
  },
  {
    name: 'OAuthJWTSubject',
    title: 'OAuth JWT Subject',
    group: 'jwt',
    kind: 'text',
    required: REQUESTS_BY_GRANT,
    visibleWhen: REQUESTS_BY_GRANT,
    help: 'Whom the token is for: sub of the assertion, with OAuthGrantType=JWT.',
  },
  {
    name: 'OAuthJWTAudience',
    title: 'OAuth JWT Audience',
    group: 'jwt',
    kind: 'text',
    derived: 'the issuer, else the token endpoint',
    visibleWhen: REQUESTS_OPENID,
    beside: 'OAuthJWTCert',
    help: 'Whom the assertion is for: aud, with OAuthClient.',
  },
  {
    name: 'SSLMode',
    title: 'SSL Mode',
    group: 'ssl',
    kind: 'choice',
    choices: ['verify-full', 'verify-ca', 'require', 'prefer', 'allow', 'disable'],
    default: 'verify-full',
    help: 'How the server is verified. Weaker modes than verify-full are used with AuthScheme=Password only, and only when named.',
  },
  {
    name: 'SSLNegotiation',
    title: 'SSL Negotiation',
    group: 'ssl',
    kind: 'choice',
    choices: ['postgres', 'direct'],
    default: 'postgres',
    help: 'How TLS begins: after a request (postgres), or at once (direct; PostgreSQL 17 and newer).',
  },
  {
    name: 'SSLCA',
    title: 'SSL CA',
    aliases: ['sslrootcert', 'RootCertificate'],
    group: 'ssl',
    kind: 'pem',
    derived: 'the certificate authorities that Node.js trusts',
    help: 'CA certificates (PEM text, or the path of a PEM file) that the certificate of the server must come from; system stands for those that Node.js trusts.',
  },
  {
    name: 'TokenCA',
    title: 'Token CA',
    group: 'ssl',
    kind: 'pem',
    derived: 'the certificate authorities that Node.js trusts',
    visibleWhen: REQUESTS_AS_CLIENT,
    help: 'CA certificates (PEM text, or the path of a PEM file) for the token endpoint, for example of a proxy that inspects TLS.',
  },
  {
    name: 'ProxyAutoDetect',
    title: 'Proxy Auto Detect',
    group: 'proxy',
    kind: 'boolean',
    default: 'false',
    visibleWhen: REQUESTS_AS_CLIENT,
    help: 'Takes the proxy for the token endpoint from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.',
  },
  {
    name: 'ProxyServer',
    title: 'Proxy Server',
    group: 'proxy',
    kind: 'text',
    visibleWhen: REQUESTS_AS_CLIENT,
    help: 'Proxy for the token endpoint: a host name, or http://, https:// or socks5:// and a host name.',
  },
  {
    name: 'ProxyPort',
    title: 'Proxy Port',
    group: 'proxy',
    kind: 'integer',
    range: [1, 65_535],
    derived: '80, 443 with TLS to the proxy, 1080 for SOCKS5',
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'TCP port of the proxy.',
  },
  {
    name: 'ProxyAuthScheme',
    title: 'Proxy Auth Scheme',
    group: 'proxy',
    kind: 'choice',
    choices: ['BASIC', 'NONE'],
    refused: REFUSED_PROXY_SCHEMES,
    default: 'BASIC',
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'How to log in to the proxy when ProxyUser is set.',
  },
  {
    name: 'ProxyUser',
    title: 'Proxy User',
    group: 'proxy',
    kind: 'text',
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'User name for the proxy.',
  },
  {
    name: 'ProxyPassword',
    title: 'Proxy Password',
    group: 'proxy',
    kind: 'text',
    secret: true,
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'Password for the proxy.',
  },
  {
    name: 'ProxySSLType',
    title: 'Proxy SSL Type',
    group: 'proxy',
    kind: 'choice',
    choices: ['AUTO', 'ALWAYS', 'NEVER', 'TUNNEL'],
    default: 'AUTO',
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'TLS to the proxy itself: ALWAYS, NEVER, or as ProxyServer says (AUTO). TUNNEL means NEVER; the token request is tunnelled in any case.',
  },
  {
    name: 'ProxyExceptions',
    title: 'Proxy Exceptions',
    group: 'proxy',
    kind: 'list',
    visibleWhen: REQUESTS_AS_CLIENT,
    beside: 'ProxyServer',
    help: 'Hosts that are reached without the proxy; .contoso.com stands for all names below.',
  },
  {
    name: 'UseConnectionPooling',
    title: 'Use Connection Pooling',
    aliases: ['Pooling'],
    group: 'pooling',
    kind: 'boolean',
    default: 'true',
    help: 'Keeps sessions open for the next operation; false opens one for each.',
  },
  {
    name: 'PoolMinSize',
    title: 'Pool Min Size',
    aliases: ['MinPoolSize', 'MinimumPoolSize'],
    group: 'pooling',
    kind: 'integer',
    range: [0, 1_000],
    default: '0',
    help: 'Idle sessions that are kept open.',
  },
  {
    name: 'PoolMaxSize',
    title: 'Pool Max Size',
    aliases: ['MaxPoolSize', 'MaximumPoolSize'],
    group: 'pooling',
    kind: 'integer',
    range: [1, 1_000],
    default: '10',
    help: 'Most sessions this connection opens at once. 0 or less, as others write it, is read as UseConnectionPooling=false.',
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
    aliases: ['ConnectionIdleLifetime'],
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
    name: 'Logfile',
    title: 'Logfile',
    group: 'logging',
    kind: 'text',
    derived: 'no file',
    help: 'File the connector writes its log to, readable by its owner only. A host that has a log of its own gets the lines instead.',
  },
  {
    name: 'Verbosity',
    title: 'Verbosity',
    group: 'logging',
    kind: 'integer',
    range: [1, 5],
    default: '1',
    help: 'How much is logged, 1 (errors and operations) to 5 (everything). No level holds a secret.',
  },
  {
    name: 'LogModules',
    title: 'Log Modules',
    group: 'logging',
    kind: 'list',
    derived: 'all modules',
    help: 'Modules that are logged; docs/logging.md lists them.',
  },
  {
    name: 'MaxLogFileSize',
    title: 'Max Log File Size',
    group: 'logging',
    kind: 'text',
    default: '100MB',
    beside: 'Logfile',
    help: 'Size at which a new log file is begun, such as 512KB or 100MB; at least 100 kB.',
  },
  {
    name: 'MaxLogFileCount',
    title: 'Max Log File Count',
    group: 'logging',
    kind: 'integer',
    range: [-1, 10_000],
    default: '-1',
    beside: 'Logfile',
    help: 'Log files that are kept, at least 2; 0 and -1 keep all.',
  },
  {
    name: 'Timeout',
    title: 'Timeout',
    aliases: ['ConnectTimeout', 'ConnectionTimeout', 'LoginTimeout'],
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
    group: 'miscellaneous',
    kind: 'text',
    default: 'pg-entra',
    help: 'Name shown in pg_stat_activity and in the log of the server.',
  },
  {
    name: 'TimeZone',
    title: 'Time Zone',
    group: 'miscellaneous',
    kind: 'text',
    default: 'UTC',
    help: 'Time zone of the session, in which times with a zone are given, for example Europe/Berlin.',
  },
  {
    name: 'Readonly',
    title: 'Readonly',
    group: 'miscellaneous',
    kind: 'boolean',
    default: 'false',
    help: 'Opens sessions whose transactions are read-only unless they say otherwise, so that the server refuses writes by mistake. What a role must not do at all, do not grant it.',
  },
  {
    name: 'SearchPath',
    title: 'Search Path',
    aliases: ['currentSchema'],
    group: 'miscellaneous',
    kind: 'text',
    derived: 'that of the role and the database',
    help: 'Schemas in which names without a schema are looked up, as the server writes them: app, "My Schema", public.',
  },
  {
    name: 'StatementTimeout',
    title: 'Statement Timeout',
    group: 'miscellaneous',
    kind: 'integer',
    range: [0, 2_147_483_647],
    unit: 'milliseconds',
    default: '0',
    help: 'Limit that the server itself sets to each statement; 0 leaves it to the role and the database.',
  },
  {
    name: 'PoolerMode',
    title: 'Pooler Mode',
    group: 'miscellaneous',
    kind: 'choice',
    choices: ['NONE', 'TRANSACTION'],
    default: 'NONE',
    help: 'TRANSACTION where PgBouncer in transaction mode stands before the server: nothing then relies on a session that lasts. docs/sessions.md tells what that excludes.',
  },
  {
    name: 'MaxRows',
    title: 'Max Rows',
    group: 'miscellaneous',
    kind: 'integer',
    range: [-1, 2_147_483_647],
    default: '-1',
    help: 'Most rows of a select that is fetched as a whole; what is cut off is told (truncated). A stream is not cut. 0 and -1 set no limit.',
  },
  {
    name: 'ConnectOnOpen',
    title: 'Connect On Open',
    group: 'miscellaneous',
    kind: 'boolean',
    default: 'false',
    help: 'Logs in when the connection is created, to find a wrong setting early.',
  },
  ...ELSEWHERE,
] as const satisfies readonly PropertyFacts[];

/** Canonical name of a property. */
export type PropertyName = (typeof PROPERTIES)[number]['name'];

/** One row of the table. */
export interface Property extends PropertyFacts {
  readonly name: PropertyName;
}

const BY_NAME = new Map<string, Property>(PROPERTIES.map((property) => [property.name, property]));

const BY_FOLDED_NAME = new Map<string, Property>(
  PROPERTIES.flatMap((property: Property) =>
    [property.name, property.title, ...(property.aliases ?? [])].map(
      (name) => [foldName(name), property] as const,
    ),
  ),
);

const LONGEST_NAME = 256;

/**
 * The property that `name` stands for: its canonical name, its title or an alias, without regard
 * to case, blanks, hyphens and underscores. Undefined for an unknown name and for what is longer
 * than any spelling, which may be all of a text.
 */
export function findProperty(name: string): Property | undefined {
  return name.length > LONGEST_NAME ? undefined : BY_FOLDED_NAME.get(foldName(name));
}

/** The row of `name`. */
export function propertyOf(name: PropertyName): Property {
  const property = BY_NAME.get(name);
  if (!property) throw new TypeError(`no row for ${name}`);
  return property;
}

/** A name without what its spellings differ in: case, blanks, hyphens and underscores. */
export function foldName(name: string): string {
  return name.replace(/[\s_-]/g, '').toLowerCase();
}
