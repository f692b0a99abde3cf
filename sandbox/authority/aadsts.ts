/** How the authority answers a refusal: HTTP status, OAuth error and text; `{name}` stands for a value of the request. */
export interface AadstsRow {
  readonly status: number;
  readonly error: string;
  readonly text: string;
}

const documentation =
  'Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .';

const row = (status: number, error: string, text: string): AadstsRow => ({ status, error, text });
const invalidClient = (text: string): AadstsRow => row(401, 'invalid_client', text);
const invalidRequest = (text: string): AadstsRow => row(400, 'invalid_request', text);

/** Every AADSTS number that the authority knows; texts as Microsoft documents them or public reports show them. */
export const aadsts = {
  50013: invalidClient('Assertion failed signature validation. [Reason - {reason}]'),
  50027: invalidClient('JWT token is invalid or malformed. {reason}'),
  50034: row(400, 'invalid_grant', 'The user account {user} does not exist in the {tenant} directory.'),
  50196: row(
    400,
    'invalid_grant',
    'The server terminated an operation because it encountered a client request loop. Please contact your app vendor.',
  ),
  53003: row(
    400,
    'access_denied',
    'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
  ),
  70003: row(400, 'unsupported_grant_type', "The app requested an unsupported grant type '{grantType}'."),
  70011: row(
    400,
    'invalid_scope',
    "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.",
  ),
  70021: invalidClient(
    "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
  ),
  90002: invalidRequest(
    "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.",
  ),
  90033: row(503, 'temporarily_unavailable', 'A transient error has occurred. Please try again.'),
  90055: row(429, 'temporarily_unavailable', 'The server is busy.'),
  500011: row(
    400,
    'invalid_resource',
    'The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.',
  ),
  700016: row(
    400,
    'unauthorized_client',
    "Application with identifier '{clientId}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
  ),
  700021: invalidClient(
    `Client assertion application identifier doesn't match 'client_id' parameter. ${documentation}`,
  ),
  700023: invalidClient(`Client assertion audience claim does not match Realm issuer. ${documentation}`),
  700024: invalidClient(
    `Client assertion is not within its valid time range. Current time: {now}, assertion valid from {notBefore}, expiry time of assertion {expiry}. ${documentation}`,
  ),
  700027: invalidClient(
    "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for the app.]",
  ),
  700211: invalidClient(
    "No matching federated identity record found for presented assertion issuer '{issuer}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
  ),
  700212: invalidClient(
    "No matching federated identity record found for presented assertion audience '{audience}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
  ),
  700213: invalidClient(
    "No matching federated identity record found for presented assertion subject '{subject}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
  ),
  900023: invalidRequest(
    "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
  ),
  900144: invalidRequest("The request body must contain the following parameter: '{name}'."),
  1000502: invalidClient('The provided certificate is not within its specified validity time window.'),
  1002012: row(
    400,
    'invalid_scope',
    'The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).',
  ),
  7000215: invalidClient(
    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{clientId}'.",
  ),
  7000218: invalidClient(
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  ),
  7000222: invalidClient(
    "The provided client secret keys for app '{clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
  ),
  7000229: row(
    400,
    'unauthorized_client',
    'The client application {clientId} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119',
  ),
  9002313: invalidRequest('Invalid request. Request is malformed or invalid. {reason}'),
} as const satisfies Readonly<Record<number, AadstsRow>>;

/** A number of the table. */
export type AadstsCode = keyof typeof aadsts;
