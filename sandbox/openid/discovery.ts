/** Path of the provider's issuer below its origin. */
const realmPath = '/realms/flows';

/** The audience of tokens that open the database. */
export const databaseAudience = 'https://database.flows.example';

/** Every scope of the provider; the first one is given to who asks for none. */
export const scopes = ['database', 'profile'] as const;

/** Paths of the metadata: OpenID Connect Discovery 1.0 section 4, and RFC 8414 section 3.1. */
export const metadataPaths = [
  `${realmPath}/.well-known/openid-configuration`,
  `/.well-known/oauth-authorization-server${realmPath}`,
] as const;

/** Addresses of the provider's endpoints. */
export const endpointsOf = (origin: string) => {
  const issuer = `${origin}${realmPath}`;
  return {
    issuer,
    authorization_endpoint: `${issuer}/protocol/openid-connect/auth`,
    token_endpoint: `${issuer}/protocol/openid-connect/token`,
    jwks_uri: `${issuer}/protocol/openid-connect/certs`,
  };
};

/** The provider's metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2). */
export const discoveryDocument = (origin: string): Record<string, unknown> => ({
  ...endpointsOf(origin),
  grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256'],
  scopes_supported: [...scopes],
  response_types_supported: ['code', 'none'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
  claims_supported: ['iss', 'sub', 'aud', 'exp', 'iat', 'azp', 'scope'],
});
