import type { Tenant } from './directory.js';

/** Addresses of a tenant's endpoints at an authority; always by the tenant's GUID, as Entra gives them. */
export const endpointsOf = (origin: string, tenantId: string) => ({
  issuer: `${origin}/${tenantId}/v2.0`,
  authorization_endpoint: `${origin}/${tenantId}/oauth2/v2.0/authorize`,
  token_endpoint: `${origin}/${tenantId}/oauth2/v2.0/token`,
  device_authorization_endpoint: `${origin}/${tenantId}/oauth2/v2.0/devicecode`,
  end_session_endpoint: `${origin}/${tenantId}/oauth2/v2.0/logout`,
  jwks_uri: `${origin}/${tenantId}/discovery/v2.0/keys`,
  kerberos_endpoint: `${origin}/${tenantId}/kerberos`,
});

/**
 * The OpenID configuration of a tenant (OpenID Connect Discovery 1.0 section 3), with the fields that Entra's v2.0
 * document has, cloud names included; `userinfo_endpoint` and `rbac_url` name Microsoft's hosts there, too.
 */
export const discoveryDocument = (origin: string, tenant: Tenant): Record<string, unknown> => ({
  ...endpointsOf(origin, tenant.id),
  token_endpoint_auth_methods_supported: [
    'client_secret_post',
    'private_key_jwt',
    'client_secret_basic',
    'self_signed_tls_client_auth',
  ],
  response_modes_supported: ['query', 'fragment', 'form_post'],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['RS256'],
  response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
  scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
  request_uri_parameter_supported: false,
  userinfo_endpoint: 'https://graph.microsoft.com/oidc/userinfo',
  http_logout_supported: true,
  frontchannel_logout_supported: true,
  claims_supported: ['sub', 'iss', 'cloud_instance_name', 'aud', 'exp', 'iat', 'nonce', 'tid', 'ver'],
  tenant_region_scope: 'EU',
  cloud_instance_name: 'microsoftonline.com',
  cloud_graph_host_name: 'graph.windows.net',
  msgraph_host: 'graph.microsoft.com',
  rbac_url: 'https://pas.windows.net',
});
