/**
 * The two tables of failures: types (what a flow catches) and codes (one per cause).
 *
 * They are the single source of the error part of `connector.json`, of `docs/errors.md` and of
 * the exit codes of the shell. The class that is thrown stands in `errors.ts`.
 */

/** Exit codes of `pg-entra`, by what the person at the keyboard has to look at. */
export type ExitCode = 1 | 2 | 3 | 4;

interface ErrorTypeFacts {
  readonly parent: string | null;
  readonly exitCode: ExitCode;
  readonly description: string;
}

/** Error types as a Mule flow would catch them: flat names, the parent stands in the table. */
export const ERROR_TYPES = {
  'POSTGRESQL:SETTINGS': {
    parent: null,
    exitCode: 2,
    description: 'A property, a connection string or a certificate file is wrong. Nothing was sent.',
  },
  'POSTGRESQL:AUTHENTICATION': {
    parent: null,
    exitCode: 3,
    description: 'Microsoft Entra ID did not issue a usable access token.',
  },
  'POSTGRESQL:CONNECTIVITY': {
    parent: null,
    exitCode: 4,
    description: 'A connection could not be made or was lost.',
  },
  'POSTGRESQL:INVALID_CREDENTIALS': {
    parent: 'POSTGRESQL:CONNECTIVITY',
    exitCode: 3,
    description: 'The database refused the login.',
  },
  'POSTGRESQL:INVALID_DATABASE': {
    parent: 'POSTGRESQL:CONNECTIVITY',
    exitCode: 4,
    description: 'The database does not exist.',
  },
  'POSTGRESQL:CANNOT_REACH': {
    parent: 'POSTGRESQL:CONNECTIVITY',
    exitCode: 4,
    description: 'The host cannot be reached over the network.',
  },
  'POSTGRESQL:TLS': {
    parent: 'POSTGRESQL:CONNECTIVITY',
    exitCode: 4,
    description: 'The connection could not be encrypted, or the server could not be verified.',
  },
  'POSTGRESQL:BAD_SQL_SYNTAX': {
    parent: null,
    exitCode: 1,
    description: 'The statement is not valid for this database.',
  },
  'POSTGRESQL:QUERY_EXECUTION': {
    parent: null,
    exitCode: 1,
    description: 'The database could not execute the statement.',
  },
  'POSTGRESQL:CONSTRAINT_VIOLATION': {
    parent: 'POSTGRESQL:QUERY_EXECUTION',
    exitCode: 1,
    description: 'A row breaks a rule of its table.',
  },
  'POSTGRESQL:PERMISSION_DENIED': {
    parent: 'POSTGRESQL:QUERY_EXECUTION',
    exitCode: 1,
    description: 'The database role may not do this.',
  },
  'POSTGRESQL:QUERY_TIMEOUT': {
    parent: 'POSTGRESQL:QUERY_EXECUTION',
    exitCode: 1,
    description: 'A time limit passed before the answer came.',
  },
  'POSTGRESQL:SERIALIZATION_FAILURE': {
    parent: 'POSTGRESQL:QUERY_EXECUTION',
    exitCode: 1,
    description: 'The transaction collided with another one and may be repeated as a whole.',
  },
  'POSTGRESQL:DATA_ERROR': {
    parent: 'POSTGRESQL:QUERY_EXECUTION',
    exitCode: 1,
    description: 'A value does not fit its type or its column.',
  },
  'POSTGRESQL:RETRY_EXHAUSTED': {
    parent: null,
    exitCode: 4,
    description: 'Every attempt failed.',
  },
  'POSTGRESQL:POOL_EXHAUSTED': {
    parent: null,
    exitCode: 1,
    description: 'No session became free in time.',
  },
  'POSTGRESQL:OUTCOME_UNKNOWN': {
    parent: null,
    exitCode: 1,
    description: 'The answer to a write did not arrive: it may or may not have happened.',
  },
  'POSTGRESQL:CANCELLED': {
    parent: null,
    exitCode: 1,
    description: 'The caller gave up.',
  },
  'POSTGRESQL:PROTOCOL_VIOLATION': {
    parent: null,
    exitCode: 1,
    description: 'The peer sent something that the protocol does not allow.',
  },
} as const satisfies Record<string, ErrorTypeFacts>;

export type ErrorType = keyof typeof ERROR_TYPES;

export interface ErrorFacts {
  readonly type: ErrorType;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What happened and why; `{name}` is filled from the details given at the throw. */
  readonly message: string;
  /** What to do next. */
  readonly cure: string;
}

/**
 * One row per cause. Decided by SQLSTATE, OAuth error and AADSTS number, never by message text
 * where a code exists.
 */
export const ERRORS = {
  // --- settings -------------------------------------------------------------------------------
  CONNECTION_STRING_MALFORMED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The connection string cannot be read: {problem} at character {offset}.',
    cure: 'Write Name=Value pairs separated by semicolons; put a value that holds ; or a quote in double quotes and double the quotes inside it.',
  },
  URI_MALFORMED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The connection URI cannot be read: {problem} at character {offset}.',
    cure: 'Write postgresql://user@host:port/database?Name=Value&Name=Value, and each of : / ? # [ ] @ & = % inside a user name, a password or a value percent-encoded: %2F for /, %40 for @.',
  },
  UNKNOWN_PROPERTY: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'Unknown property: {names}.',
    cure: 'Correct the spelling or remove it. "pg-entra properties" lists all properties.',
  },
  PROPERTY_INVALID: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: '{problems}',
    cure: 'Correct the named properties. "pg-entra properties" lists each one with its allowed values.',
  },
  PROPERTIES_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'Properties are missing: {names}.',
    cure: 'Set them in the connection string or the connection form.',
  },
  PROPERTIES_CONFLICT: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: '{problems}',
    cure: 'Keep what you mean and remove the other.',
  },
  PROPERTY_UNSUPPORTED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: '{problems}',
    cure: 'Remove or change the named properties; "pg-entra properties" lists those that are supported.',
  },
  STORED_SECRET_WITHHELD: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The stored {names} is not sent: {changed} differs from the deployed connection.',
    cure: 'Enter it again to test with the new values, or deploy them first.',
  },
  PROPERTY_FILE_UNREADABLE: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The file named by {property} cannot be read ({reason}).',
    cure: 'Check the path and that the runtime may read the file.',
  },
  PROPERTY_VARIABLE_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The environment variable {variable}, named by {property}, is not set.',
    cure: 'Set the variable for the process that runs the connector.',
  },
  CERTIFICATE_UNREADABLE: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate store cannot be read: {problem}.',
    cure: 'Check OAuthJWTCert and OAuthJWTCertType; export the certificate again with its private key as PFX or PEM.',
  },
  CERTIFICATE_TYPE_UNSUPPORTED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate store is not of a supported kind: {problem}.',
    cure: 'Use a PFX (PFXFILE, PFXBLOB) or a PEM file with key and certificate (PEMKEY_FILE, PEMKEY_BLOB).',
  },
  CERTIFICATE_PASSWORD_WRONG: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate store does not open: the password is wrong, or the store is damaged.',
    cure: 'Correct OAuthJWTCertPassword, and OAuthJWTCertKeyPassword where the key has one of its own.',
  },
  CERTIFICATE_PASSWORD_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The private key is encrypted and no password was given.',
    cure: 'Set OAuthJWTCertPassword.',
  },
  CERTIFICATE_KEY_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate store holds no private key.',
    cure: 'Export the certificate together with its private key as PFX or PEM. PKCS#7 (P7B) never holds a key: put it and the private key into one PEM file.',
  },
  CERTIFICATE_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The store holds a private key but no certificate, so it has no thumbprint.',
    cure: 'Add the certificate that is registered on the application to the same file, in a JWK as x5c.',
  },
  CERTIFICATE_KEY_MISMATCH: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'No certificate in the store belongs to the private key.',
    cure: 'Put the certificate that was issued for this key into the store.',
  },
  CERTIFICATE_SUBJECT_NOT_FOUND: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'No certificate matches OAuthJWTCertSubject. The store holds: {subjects}.',
    cure: 'Use one of these subjects, a part of one, or * for the one that is valid longest.',
  },
  CERTIFICATE_EXPIRED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate {subject} expired on {validTo}.',
    cure: 'Issue a new certificate, register it on the application and set OAuthJWTCert to it.',
  },
  CERTIFICATE_NOT_YET_VALID: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The certificate {subject} is not valid before {validFrom}.',
    cure: 'Wait until then, use another certificate, or correct the clock of this machine.',
  },
  CERTIFICATE_KEY_UNSUITABLE: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The key of the certificate cannot be used: {problem}.',
    cure: 'Use an RSA key of at least 2048 bits.',
  },
  TOKEN_FILE_REFUSED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The token is not kept in {path}: {problem}.',
    cure: 'Name a file in OAuthSettingsLocation that belongs to the account of this process, in a folder that no other account may write to, or keep the token in memory://.',
  },
  TOKEN_FILE_KEY_MISSING: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The token is not kept in {path}: {problem}.',
    cure: 'Set OAuthSettingsKey, use a client secret of 32 characters or more, or set OAuthSettingsLocation to memory://.',
  },
  OPERATION_UNKNOWN: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'There is no operation "{name}".',
    cure: 'Use one of: {names}.',
  },
  OPERATION_INPUT_INVALID: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The input of {operation} is wrong: {problems}.',
    cure: 'Correct the input. "pg-entra spec" prints the input schema of each operation.',
  },
  POOL_OPTIONS_CHANGED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The driver does not use the options of poolOptions as they are: {problem}. No secret was sent.',
    cure: 'Hand all of them on unchanged, stream and ssl among them; docs/other-pools.md shows where each library takes them. For the token alone there is tokenPassword.',
  },
  CONNECTOR_CLOSED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The connector was closed.',
    cure: 'Create a new connector, or close it later.',
  },
  IDENTIFIER_INVALID: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The {kind} name cannot be used: {problem}.',
    cure: 'Give a name of 1 to 63 bytes without U+0000.',
  },

  // --- authority and token --------------------------------------------------------------------
  TENANT_NOT_FOUND: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'Microsoft Entra ID does not know the tenant "{tenant}".',
    cure: 'Set AzureTenant to the directory (tenant) id, or to one of its verified domain names; check that the authority is of the right cloud.',
  },
  TENANT_IN_OTHER_CLOUD: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The tenant "{tenant}" is served by {host}, which is not the cloud {environment}.',
    cure: 'Set AzureEnvironment to AUTO, or to the cloud of the tenant.',
  },
  APPLICATION_NOT_FOUND: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The tenant "{tenant}" has no application with the id "{clientId}".',
    cure: 'Set OAuthClientId to the application (client) id of the app registration, and AzureTenant to its tenant.',
  },
  APPLICATION_DISABLED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The application "{clientId}" is disabled in the tenant "{tenant}".',
    cure: 'Ask an administrator to enable the enterprise application.',
  },
  APPLICATION_NOT_ASSIGNED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The application "{clientId}" is not assigned to the resource it asks for ({aadsts}).',
    cure: 'Ask an administrator to assign the application, or to turn "assignment required" off.',
  },
  CONSENT_MISSING: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'No administrator has consented to what the application "{clientId}" asks for ({aadsts}).',
    cure: 'Leave Scope empty: Azure Database for PostgreSQL needs no consent. Otherwise ask an administrator for it.',
  },
  CLIENT_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The token endpoint at {host} did not accept the client "{clientId}" ({oauthError}).',
    cure: 'Check OAuthClientId and its secret or certificate, and OAuthPasswordGrantMode (BASIC or POST).',
  },
  GRANT_NOT_ALLOWED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message:
      'The token endpoint at {host} does not let the client "{clientId}" use the grant {grantType} ({oauthError}).',
    cure: 'Allow this grant for the client at the provider (client credentials are also called a service account there), or change OAuthGrantType.',
  },
  ASSERTION_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The token endpoint at {host} did not accept the assertion for "{subject}" ({oauthError}).',
    cure: 'Check OAuthJWTSubject and OAuthJWTAudience, that the provider knows the certificate, and the clock of this machine.',
  },
  SCOPE_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message:
      'The token endpoint at {host} does not give the client "{clientId}" the scope "{scope}" ({oauthError}).',
    cure: 'Set Scope to names that the provider gives this client, or leave it empty for those it gives by default.',
  },
  AUDIENCE_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The token endpoint at {host} does not know the audience "{audience}" ({oauthError}).',
    cure: 'Set OAuthAudience to one that the provider knows, or leave it empty.',
  },
  TOKEN_ENDPOINT_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The token endpoint at {host} refused the request ({oauthError}).',
    cure: 'Look the error up in the documentation of the provider, or give its administrator the correlation id.',
  },
  MANAGED_IDENTITY_NOT_AVAILABLE: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'There is no managed identity here: {problem}.',
    cure: 'Run this on Azure (App Service, Functions, Container Apps, a virtual machine or AKS) and assign an identity there, or choose another AuthScheme.',
  },
  MANAGED_IDENTITY_NOT_FOUND: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The managed identity "{clientId}" is not assigned to this machine or app.',
    cure: 'Assign it there, or set OAuthClientId to the client id of one that is assigned; leave it empty for the system-assigned identity.',
  },
  FEDERATED_CREDENTIAL_NOT_FOUND: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'No federated credential of the application "{clientId}" fits the assertion ({aadsts}).',
    cure: 'Compare issuer, subject and audience of the federated credential with the token in OAuthClientAssertion.',
  },
  TOKEN_EXPIRED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The supplied token expired on {expiredAt}, and nothing is there to renew it with.',
    cure: 'Set a new OAuthAccessToken, or let the connector obtain tokens itself: InitiateOAuth=GETANDREFRESH with OAuthClientSecret or OAuthJWTCert.',
  },
  WRONG_CLIENT_SECRET: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The client secret is wrong.',
    cure: 'Set OAuthClientSecret to the secret value (not the secret id). The portal shows the value only once: create a new secret if it is lost.',
  },
  CLIENT_SECRET_EXPIRED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The client secret has expired.',
    cure: 'Create a new client secret on the app registration and set OAuthClientSecret to its value.',
  },
  CERTIFICATE_NOT_REGISTERED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The certificate with the SHA-256 thumbprint {thumbprint} is not registered on the application.',
    cure: 'Upload the certificate (without its key) under "Certificates & secrets" of the app registration "{clientId}".',
  },
  CERTIFICATE_REJECTED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'Microsoft Entra ID did not accept the certificate: it is outside its period of validity.',
    cure: 'Issue a new certificate and register it on the application.',
  },
  CLIENT_ASSERTION_TIME: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message:
      'The signed assertion was refused because of its time: this machine says {localTime}, the authority {serverTime}.',
    cure: 'Correct the clock of this machine (NTP).',
  },
  CLIENT_ASSERTION_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'Microsoft Entra ID refused the signed assertion ({oauthError}, {aadsts}).',
    cure: 'Check AzureTenant and AzureAuthority: the assertion is made for exactly that authority.',
  },
  CLIENT_CREDENTIAL_MISSING: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The authority received no client secret and no assertion.',
    cure: 'Set OAuthClientSecret or OAuthJWTCert.',
  },
  RESOURCE_DISABLED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The resource of the scope "{scope}" is disabled in the tenant "{tenant}".',
    cure: 'Ask an administrator to enable the enterprise application of that resource.',
  },
  RESOURCE_NOT_FOUND: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The tenant does not know the resource of the scope "{scope}".',
    cure: 'Leave Scope empty, or set it to https://ossrdbms-aad.database.windows.net/.default (US Government: …usgovcloudapi.net, China: …chinacloudapi.cn).',
  },
  SCOPE_INVALID: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The scope "{scope}" is not valid for client credentials.',
    cure: 'Leave Scope empty, or write the resource followed by /.default.',
  },
  CONDITIONAL_ACCESS_BLOCKED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'A Conditional Access policy of the tenant blocks this application.',
    cure: 'Ask an administrator to allow this workload identity from this network.',
  },
  TOKEN_REQUEST_REFUSED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'Microsoft Entra ID refused the token request ({oauthError}, {aadsts}).',
    cure: 'Look the AADSTS number up in the Microsoft Entra documentation, or give an administrator the correlation id.',
  },
  TOKEN_RESPONSE_MALFORMED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: true,
    message: 'The answer of the token endpoint cannot be used: {problem}.',
    cure: 'Check that AzureAuthority (OAuthIssuer, OAuthAccessTokenURL) names the authority itself and that no proxy or captive portal answers in its place.',
  },
  TOKEN_NOT_FOR_DATABASE: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The access token is not meant for this use: {problem}.',
    cure: 'Leave Scope empty so that the token is requested for Azure Database for PostgreSQL, and check AzureTenant. With another OpenID provider check OAuthAudience.',
  },
  DISCOVERY_FAILED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: true,
    message: 'The OpenID configuration of the authority cannot be used: {problem}.',
    cure: 'Check AzureTenant and AzureAuthority (or OAuthIssuer), and that no proxy answers in the place of the authority.',
  },
  DISCOVERY_NOT_TRUSTED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The OpenID configuration was refused: {problem}. Nothing secret was sent.',
    cure: 'Check AzureAuthority (or OAuthIssuer). If a proxy inspects TLS, exempt the authority from it.',
  },
  AUTHORITY_REDIRECTED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: false,
    message: 'The authority {host} answered with a redirect (HTTP {status}), which is never followed.',
    cure: 'Check AzureAuthority (or OAuthIssuer) and the proxy; the credentials were not sent on.',
  },
  AUTHORITY_THROTTLED: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: true,
    message: 'The authority {host} asks to slow down (HTTP 429).',
    cure: 'Wait. If it lasts, look for another program that requests tokens with the same application.',
  },
  AUTHORITY_UNAVAILABLE: {
    type: 'POSTGRESQL:AUTHENTICATION',
    retryable: true,
    message: 'The authority {host} is out of order (HTTP {status}).',
    cure: 'Wait; the connector tries again by itself. See status.azure.com if it lasts.',
  },
  AUTHORITY_UNREACHABLE: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The authority {host} cannot be reached: {problem}.',
    cure: 'Allow outgoing HTTPS to this host, and check the name in AzureAuthority (or OAuthIssuer).',
  },
  AUTHORITY_TIMEOUT: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The authority {host} did not answer within {timeoutMs} ms.',
    cure: 'Check the network and the proxy, or raise Timeout.',
  },
  TOKEN_TIMEOUT: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message:
      'No token was there within {timeoutMs} ms: another connection or process that requests it has not finished.',
    cure: 'Try again. If it lasts, look at that connection and at the way to the authority.',
  },
  AUTHORITY_NOT_VERIFIED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The certificate of the authority {host} is not trusted: {problem}.',
    cure: 'If a company proxy inspects TLS, set TokenCA to its CA certificate. Nothing secret was sent.',
  },

  PROXY_UNREACHABLE: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The proxy {host} cannot be reached: {problem}.',
    cure: 'Check ProxyServer, ProxyPort and ProxySSLType (or HTTPS_PROXY, if ProxyAutoDetect is on), and that this machine may reach the proxy.',
  },
  PROXY_NOT_VERIFIED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The certificate of the proxy {host} is not trusted: {problem}.',
    cure: 'Set TokenCA to the CA certificate of the company, and ProxyServer to a name that the certificate of the proxy holds. Nothing secret was sent.',
  },
  PROXY_AUTHENTICATION_FAILED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: false,
    message: 'The proxy {host} did not accept the user name and password for it, or wants some ({problem}).',
    cure: 'Set ProxyUser and ProxyPassword. The proxy must offer Basic (HTTP) or user name and password (SOCKS5); NTLM and Negotiate are not supported.',
  },
  PROXY_REFUSED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The proxy {host} made no connection to the authority: {problem}.',
    cure: 'Ask for the authority to be allowed at the proxy (CONNECT to port 443), check that ProxySSLType names its kind, or add the authority to ProxyExceptions.',
  },

  // --- reaching the database ------------------------------------------------------------------
  SERVER_UNREACHABLE: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The server {host}:{port} cannot be reached: {problem}.',
    cure: 'Check Server and Port, the firewall rules of the server and the network of this machine.',
  },
  SERVER_NAME_UNKNOWN: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The name {host} cannot be resolved ({problem}).',
    cure: 'Check the spelling of Server, and the DNS (for a private endpoint: its private DNS zone).',
  },
  CONNECT_TIMEOUT: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The server {host}:{port} did not complete {stage} within {timeoutMs} ms.',
    cure: 'Check the firewall rules and the network, or raise Timeout.',
  },
  CONNECTION_LOST: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The connection to {host}:{port} ended unexpectedly ({problem}).',
    cure: 'Try again; if it happens often, look for a restart of the server or a network device that ends idle connections.',
  },
  NO_SERVER_FITS: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'None of the servers can be used{purpose}: {reasons}.',
    cure: 'Look at each server named here; check Server and TargetSessionAttrs (prefer-standby takes a primary, too, where there is no standby). During a fail-over wait until a standby has been promoted, or let ReconnectionStrategy wait.',
  },
  RECONNECTION_EXHAUSTED: {
    type: 'POSTGRESQL:RETRY_EXHAUSTED',
    retryable: true,
    message: 'No session could be opened in {attempts}: {problem}.',
    cure: 'See what the last attempt failed with. If the server needs longer to come back, raise ReconnectionAttempts or ReconnectionFrequency; with ReconnectionStrategy=FOREVER, PoolWaitTime.',
  },
  FIREWALL_UNREACHABLE: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The proxy {proxy} on the way to the server cannot be reached: {problem}.',
    cure: 'Check FirewallType, FirewallServer and FirewallPort, and that this machine may reach the proxy.',
  },
  FIREWALL_AUTHENTICATION_FAILED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: false,
    message:
      'The proxy {proxy} on the way to the server did not accept the user name and password for it, or wants some ({problem}).',
    cure: 'Set FirewallUser and FirewallPassword. The proxy must offer Basic (TUNNEL) or user name and password (SOCKS5).',
  },
  FIREWALL_REFUSED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The proxy {proxy} made no connection to {host}:{port}: {problem}.',
    cure: 'Ask for this host and port to be allowed at the proxy, and check that FirewallType names its kind.',
  },
  SSH_UNREACHABLE: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The SSH server {ssh} cannot be reached: {problem}.',
    cure: 'Check SSHServer and SSHPort, and that this machine may reach the SSH server.',
  },
  SSH_SERVER_NOT_VERIFIED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The SSH server {ssh} has not the key that SSHServerFingerprint names, but {fingerprint}.',
    cure: 'Compare it with what "ssh-keygen -lf" prints at the SSH server itself, and set SSHServerFingerprint only if they are the same. Nothing secret was sent.',
  },
  SSH_AUTHENTICATION_FAILED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: false,
    message: 'The SSH server {ssh} refused the login of "{user}".',
    cure: 'Check SSHUser and SSHPassword or SSHClientCert, and that SSHAuthMode names a way that the SSH server offers.',
  },
  SSH_KEY_UNUSABLE: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The private key for the SSH server cannot be used: {problem}.',
    cure: 'Set SSHClientCert to a private key as "ssh-keygen" writes it, or in PEM form, or to the path of its file.',
  },
  SSH_KEY_PASSPHRASE_WRONG: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message:
      'The private key for the SSH server does not open: its passphrase is wrong or missing, or it is damaged.',
    cure: 'Correct SSHClientCertPassword.',
  },
  SSH_FORWARDING_REFUSED: {
    type: 'POSTGRESQL:CANNOT_REACH',
    retryable: true,
    message: 'The SSH server {ssh} made no connection to {host}:{port}: {problem}.',
    cure: 'Check Server and Port as the SSH server sees them, and that its configuration allows to forward TCP to them.',
  },
  SERVER_WITHOUT_TLS: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The server {host}:{port} does not offer TLS, and a token is sent over verified TLS only.',
    cure: 'Turn TLS on at the server (ssl = on), or correct Server and Port.',
  },
  SERVER_CERTIFICATE_UNTRUSTED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message:
      'The certificate of {host}:{port} was issued by an authority that is not trusted here ({problem}).',
    cure: 'Set SSLCA to the CA certificate of the server. The token was not sent.',
  },
  SERVER_CERTIFICATE_EXPIRED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The certificate of {host}:{port} is outside its period of validity ({problem}).',
    cure: 'Renew the certificate of the server, or correct the clock of this machine.',
  },
  SERVER_HOST_NAME_MISMATCH: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The certificate presented by {host}:{port} is for another name ({problem}).',
    cure: 'Set Server to a name that the certificate holds. The token was not sent.',
  },
  SERVER_CERTIFICATE_NOT_PINNED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message:
      'The certificate of {host}:{port} is not the one that SSLServerCert names; its SHA-256 thumbprint is {thumbprint}.',
    cure: 'If the certificate of the server was replaced, compare this thumbprint with that at the server and set SSLServerCert to it. Nothing secret was sent.',
  },
  CLIENT_CERTIFICATE_UNUSABLE: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'The client certificate for the server cannot be used: {problem}.',
    cure: 'Check SSLClientCert, SSLClientCertType and SSLClientCertSubject: a PFX or PEM file with the certificate and its private key is needed.',
  },
  CLIENT_CERTIFICATE_PASSWORD_WRONG: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message:
      'The client certificate for the server does not open: its password is wrong or missing, or the store is damaged.',
    cure: 'Correct SSLClientCertPassword.',
  },
  CLIENT_CERTIFICATE_REFUSED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message:
      'The server {host}:{port} wants a client certificate, or does not accept the one it got ({problem}).',
    cure: 'Set SSLClientCert to a certificate that an authority trusted by the server has issued for this role (ssl_ca_file, clientcert).',
  },
  DIRECT_TLS_REFUSED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'The server {host}:{port} did not take TLS at once ({problem}).',
    cure: 'Set SSLNegotiation=postgres: servers before PostgreSQL 17 take TLS only after a request. Nothing was sent without encryption.',
  },
  TLS_FAILED: {
    type: 'POSTGRESQL:TLS',
    retryable: false,
    message: 'TLS with {host}:{port} failed: {problem}.',
    cure: 'Check that a PostgreSQL server with TLS 1.2 or newer listens there, and that SSLCA is a PEM file.',
  },
  PROTOCOL_VIOLATION: {
    type: 'POSTGRESQL:PROTOCOL_VIOLATION',
    retryable: false,
    message: '{host}:{port} sent something that the PostgreSQL protocol does not allow: {problem}.',
    cure: 'Check that a PostgreSQL server listens on this port, and what stands between.',
  },

  // --- login ----------------------------------------------------------------------------------
  TOKEN_LOGIN_NOT_OFFERED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The server answered the login with {method}, so the token was not sent: {meaning}.',
    cure: 'Turn Microsoft Entra authentication on at the server and create the role with pgaadauth_create_principal ("pg-entra role-sql" prints the statement); check User.',
  },
  PASSWORD_LOGIN_NOT_OFFERED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message:
      'The server answered the login with {method}, so the password was not given: {meaning}. RequireAuth asks for {required}.',
    cure: 'Let the server ask for scram-sha-256 (pg_hba.conf). If it cannot, name the weaker way in RequireAuth; a cleartext password needs SSLMode=verify-full.',
  },
  PASSWORD_REFUSED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The server refused the password of "{user}": {serverMessage}',
    cure: 'Check User and Password.',
  },
  LOGIN_REFUSED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The server does not let "{user}" in from here: {serverMessage}',
    cure: 'Check the firewall and network rules of the server (pg_hba.conf), Database and User.',
  },
  TOKEN_EXPECTED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The server asks for an access token (SASL OAUTHBEARER), so the password was not given.',
    cure: 'Choose an AuthScheme that obtains a token, or let the server ask for scram-sha-256 (pg_hba.conf).',
  },
  TOKEN_REFUSED: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The server refused the access token of "{user}": {serverMessage}',
    cure: 'By the words of the server, {advice}. In general the role must belong to this application (object id of the enterprise application), and the server to the tenant of AzureTenant; "pg-entra role-sql" prints how to create the role.',
  },
  ROLE_UNKNOWN: {
    type: 'POSTGRESQL:INVALID_CREDENTIALS',
    retryable: false,
    message: 'The database has no Entra role "{user}": {serverMessage}',
    cure: 'Create the role as administrator ("pg-entra role-sql" prints the statement), or set User to the name it was created with (case matters).',
  },
  DATABASE_UNKNOWN: {
    type: 'POSTGRESQL:INVALID_DATABASE',
    retryable: false,
    message: 'The server has no database "{database}".',
    cure: 'Correct Database.',
  },
  POOLER_MODE_NEEDED: {
    type: 'POSTGRESQL:SETTINGS',
    retryable: false,
    message: 'What answers the login does not take the settings of a session: {serverMessage}',
    cure: 'Set PoolerMode=TRANSACTION: a pooler stands before the server (Azure: port 6432).',
  },
  SERVER_BUSY: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The server takes no more connections now: {serverMessage}',
    cure: 'Wait, lower PoolMaxSize, or raise max_connections of the server.',
  },
  SERVER_STARTING: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The server is starting or stopping, or ended this session: {serverMessage}',
    cure: 'Wait a moment and try again. If it happens often, look for restarts, and for who calls pg_terminate_backend.',
  },
  SERVER_CONNECTION_FAILED: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The server reports trouble with a connection: {serverMessage}',
    cure: 'Try again. If it lasts, look at a pooler before the server, and at servers that it asks itself (foreign tables, dblink).',
  },
  SESSION_IDLE_TIMEOUT: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The server ended an idle session: {serverMessage}',
    cure: 'Set PoolIdleTimeout below idle_session_timeout of the server.',
  },
  DATABASE_DROPPED: {
    type: 'POSTGRESQL:INVALID_DATABASE',
    retryable: false,
    message: 'The database of this session is gone: {serverMessage}',
    cure: 'Correct Database, or create the database again.',
  },

  // --- sessions and statements ----------------------------------------------------------------
  POOL_EXHAUSTED: {
    type: 'POSTGRESQL:POOL_EXHAUSTED',
    retryable: true,
    message:
      'No session became free within {waitMs} ms ({inUse} in use, {opening} opening, {waiting} waiting, at most {max}).',
    cure: 'Raise PoolMaxSize or PoolWaitTime, or shorten what the flows do in one session.',
  },
  SESSION_IN_TRANSACTION: {
    type: 'POSTGRESQL:CONNECTIVITY',
    retryable: true,
    message: 'The session stands in a transaction that its last user did not end.',
    cure: 'Disconnect it and take a new one; what was not committed is rolled back.',
  },
  OPERATION_TIMEOUT: {
    type: 'POSTGRESQL:QUERY_TIMEOUT',
    retryable: true,
    message: 'There was no answer within {timeoutMs} ms.',
    cure: 'Make the statement faster, or raise the limit that passed: timeoutMs of the operation, else Timeout.',
  },
  OUTCOME_UNKNOWN: {
    type: 'POSTGRESQL:OUTCOME_UNKNOWN',
    retryable: false,
    message: 'The answer to a write did not arrive: {problem} The write may or may not have happened.',
    cure: 'Look at the data before you repeat the write.',
  },
  CANCELLED: {
    type: 'POSTGRESQL:CANCELLED',
    retryable: false,
    message: 'The operation was cancelled by its caller.',
    cure: 'Nothing to do.',
  },
  SYNTAX_ERROR: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Correct the statement.',
  },
  TABLE_UNKNOWN: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Check the spelling (case matters where a name is quoted), the schema (search_path), and that this is the right database.',
  },
  COLUMN_UNKNOWN: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Check the spelling (case matters where a name is quoted) and the columns of the table.',
  },
  OBJECT_UNKNOWN: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Check the spelling (case matters where a name is quoted), the schema (search_path), and for a function the types of its arguments.',
  },
  OBJECT_EXISTS: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Choose another name, or write "if not exists".',
  },
  TYPE_MISMATCH: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Say the type by a cast, such as $1::integer.',
  },
  FEATURE_NOT_SUPPORTED: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Write the statement in another way: this server does not support it.',
  },
  PARAMETERS_MISMATCH: {
    type: 'POSTGRESQL:BAD_SQL_SYNTAX',
    retryable: false,
    message: 'The values do not fit the parameters of the statement: {serverMessage}',
    cure: 'Give one value for each of $1, $2 … in the statement, in this order.',
  },
  RESULT_TOO_LARGE: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: 'The server began to send a row or message of {bytes} bytes; at most {largest} are read.',
    cure: 'Ask for less at once: fewer columns, or a large value in parts (substring).',
  },
  CONSTRAINT_VIOLATION: {
    type: 'POSTGRESQL:CONSTRAINT_VIOLATION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Correct the row, or use upsert where the key may exist already.',
  },
  PERMISSION_DENIED: {
    type: 'POSTGRESQL:PERMISSION_DENIED',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Ask the owner to grant the role of this connection the privilege.',
  },
  STATEMENT_CANCELLED: {
    type: 'POSTGRESQL:QUERY_TIMEOUT',
    retryable: true,
    message: '{serverMessage}',
    cure: 'Make the statement faster or raise StatementTimeout (statement_timeout of the role or the server), if that was the reason; otherwise somebody cancelled it (pg_cancel_backend).',
  },
  LOCK_TIMEOUT: {
    type: 'POSTGRESQL:QUERY_TIMEOUT',
    retryable: true,
    message: '{serverMessage}',
    cure: 'Try again later, or raise lock_timeout; look for a transaction that holds the lock for long.',
  },
  TRANSACTION_TIMEOUT: {
    type: 'POSTGRESQL:QUERY_TIMEOUT',
    retryable: true,
    message: 'The server ended the session within a transaction, which was rolled back: {serverMessage}',
    cure: 'Make the transaction shorter, or raise idle_in_transaction_session_timeout or transaction_timeout; then repeat the whole transaction.',
  },
  SERIALIZATION_FAILURE: {
    type: 'POSTGRESQL:SERIALIZATION_FAILURE',
    retryable: true,
    message: '{serverMessage}',
    cure: 'Repeat the whole transaction.',
  },
  DEADLOCK: {
    type: 'POSTGRESQL:SERIALIZATION_FAILURE',
    retryable: true,
    message: '{serverMessage}',
    cure: 'Repeat the whole transaction. Let all transactions change rows and tables in the same order, so that it happens less.',
  },
  DATA_ERROR: {
    type: 'POSTGRESQL:DATA_ERROR',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Correct the value or its type.',
  },
  READ_ONLY: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Set Readonly to false if this connection may write; without it, the server or the role is read-only (a standby, default_transaction_read_only): name the primary in Server, or all servers with TargetSessionAttrs=primary.',
  },
  TRANSACTION_ABORTED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Look at the first error of this transaction: after it, the transaction can only be rolled back.',
  },
  TRANSACTION_STATE: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Check that transactions, savepoints and cursors are begun before they are used, and that this statement may stand there.',
  },
  PREPARED_STATEMENT_LOST: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: true,
    message: '{serverMessage}',
    cure: 'Try again: a table was altered, or a pooler between us and the server gave the session to somebody else. Behind a pooler set PoolerMode=TRANSACTION.',
  },
  OBJECT_IN_USE: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'End what uses the object, or remove what depends on it first.',
  },
  OBJECT_NOT_READY: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Bring the object into the state that the statement needs.',
  },
  ROUTINE_FAILED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'A function, procedure or trigger of the database said this: look at it, or ask its author.',
  },
  FOREIGN_DATA_FAILED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Look at the foreign server behind this table, and at its options and user mapping.',
  },
  LIMIT_EXCEEDED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Make the statement smaller: it goes beyond what the server can take.',
  },
  SERVER_EXHAUSTED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: true,
    message: 'The server has run out of something: {serverMessage}',
    cure: 'Ask the administrator of the server for disk space, memory or a higher limit, then try again.',
  },
  SERVER_FAULT: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: 'Something failed inside the server: {serverMessage}',
    cure: 'Give the message and its time to the administrator of the server, whose log says more.',
  },
  DATA_CORRUPTED: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: 'The server found damaged data: {serverMessage}',
    cure: 'Stop writing and call the administrator of the server: hardware or a restore may be at fault.',
  },
  QUERY_EXECUTION: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: '{serverMessage}',
    cure: 'Look the SQLSTATE up in the PostgreSQL documentation (appendix A).',
  },
  INTERNAL: {
    type: 'POSTGRESQL:QUERY_EXECUTION',
    retryable: false,
    message: 'Something failed inside the connector: {problem}.',
    cure: 'Please report it with this message.',
  },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;
