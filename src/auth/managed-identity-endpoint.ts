import { ConnectorError } from '../errors.js';

/** Environment variables, as the platform set them for its programs. */
export type PlatformEnvironment = Readonly<Record<string, string | undefined>>;

/** A request for a token of an identity that the platform gives: a GET over plain http. */
export interface IdentityRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whose token, and for which resource. */
export interface IdentityQuery {
  readonly resource: string;
  /** Of a user-assigned identity; undefined: the system-assigned one. */
  readonly clientId: string | undefined;
}

const INSTANCE_METADATA = 'http://169.254.169.254';

/**
 * The request by which the platform gives a token: that of App Service, Functions and Container Apps
 * where IDENTITY_ENDPOINT and IDENTITY_HEADER are set, else that of the instance metadata service of a
 * virtual machine or of AKS (whose address AZURE_POD_IDENTITY_AUTHORITY_HOST may give).
 *
 * @throws ConnectorError MANAGED_IDENTITY_NOT_AVAILABLE for an address that is not of this machine:
 *   plain http leaves it for nobody
 */
export function identityRequest(query: IdentityQuery, environment: PlatformEnvironment): IdentityRequest {
  const { IDENTITY_ENDPOINT: endpoint = '', IDENTITY_HEADER: secret = '' } = environment;
  if (endpoint !== '' && secret !== '') {
    const url = addressOf('IDENTITY_ENDPOINT', endpoint);
    return { url: withQuery(url, '2019-08-01', query), headers: { 'x-identity-header': secret } };
  }
  const { AZURE_POD_IDENTITY_AUTHORITY_HOST: host = '' } = environment;
  const base = addressOf('AZURE_POD_IDENTITY_AUTHORITY_HOST', host === '' ? INSTANCE_METADATA : host);
  const url = new URL('/metadata/identity/oauth2/token', base);
  return { url: withQuery(url, '2018-02-01', query), headers: { metadata: 'true' } };
}

function withQuery(url: URL, version: string, { resource, clientId }: IdentityQuery): URL {
  url.searchParams.set('api-version', version);
  url.searchParams.set('resource', resource);
  if (clientId !== undefined) url.searchParams.set('client_id', clientId);
  return url;
}

// Loopback and link-local: what no router carries on.
const OWN_HOST = /^(localhost|\[::1\]|127(\.\d+){3}|169\.254(\.\d+){2})$/;

function addressOf(variable: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' && url.username === '' && OWN_HOST.test(url.hostname)) return url;
  const problem = `${variable} is no http address of this machine (localhost, 127.… or 169.254.…)`;
  throw new ConnectorError('MANAGED_IDENTITY_NOT_AVAILABLE', { problem });
}
