import { ConnectorError } from '../errors.js';
import { cloudAt, cloudOfInstance, type CloudName } from './cloud.js';
import type { AuthorityAnswer } from './network.js';
import { outageOf, parseObject } from './token-answer.js';

/** The authority of one tenant, read from its OpenID configuration and checked. */
export interface Authority {
  /** Directory id, also where the tenant was asked for by domain name. */
  readonly tenantId: string;
  /** `https://host[:port]`; every endpoint stands on it. */
  readonly origin: string;
  /** `host[:port]` of `origin`. */
  readonly host: string;
  readonly issuer: string;
  readonly tokenEndpoint: string;
  /** Undefined for a private authority that names no known cloud. */
  readonly cloud: CloudName | undefined;
  /** The document itself, for MSAL. */
  readonly document: string;
}

/** What a document leads to: an authority, or the origin of another cloud to ask instead. */
export type Discovered = { readonly authority: Authority } | { readonly otherCloud: string };

/** Address of the OpenID configuration of `tenant` (OpenID Connect Discovery 1.0 section 4). */
export function discoveryUrl(origin: string, tenant: string): string {
  return `${origin}/${encodeURIComponent(tenant)}/v2.0/.well-known/openid-configuration`;
}

/**
 * Judges the answer to {@link discoveryUrl}. Every endpoint must stand on `origin` (or the whole
 * document on another built-in cloud, which is then to be asked itself); the issuer may differ
 * from what was asked only by the tenant's directory id in the place of its domain name
 * (RFC 8414 section 3.3).
 *
 * @throws ConnectorError TENANT_NOT_FOUND, DISCOVERY_FAILED, DISCOVERY_NOT_TRUSTED,
 *   AUTHORITY_UNAVAILABLE, AUTHORITY_THROTTLED
 */
export function judgeDiscovery(
  answer: AuthorityAnswer,
  origin: string,
  tenant: string,
  wallMs: number,
): Discovered {
  return judge(readDocument(answer, tenant, wallMs), answer.body, origin, tenant);
}

/** {@link judgeDiscovery} for a document that was received before. */
export function judgeDocument(text: string, origin: string, tenant: string): Discovered {
  const document = parseObject(text);
  if (!document) throw failed('it is no JSON object');
  return judge(document, text, origin, tenant);
}

function judge(
  document: Readonly<Record<string, unknown>>,
  text: string,
  origin: string,
  tenant: string,
): Discovered {
  const issuer = requiredUrl(document, 'issuer');
  const tokenEndpoint = requiredUrl(document, 'token_endpoint');
  const others = ['authorization_endpoint', 'jwks_uri'].map((name) => requiredUrl(document, name));
  const { host } = new URL(origin);
  const elsewhere = [issuer, tokenEndpoint, ...others].find((url) => url.origin !== origin);
  if (elsewhere) return otherCloud(elsewhere, host);
  const authority: Authority = {
    tenantId: tenantIdOf(issuer, tenant),
    origin,
    host,
    issuer: issuer.href,
    tokenEndpoint: tokenEndpoint.href,
    cloud: cloudAt(host) ?? cloudOfInstance(document['cloud_instance_name']),
    document: text,
  };
  return { authority };
}

function readDocument(
  answer: AuthorityAnswer,
  tenant: string,
  wallMs: number,
): Readonly<Record<string, unknown>> {
  const { host, status, contentType } = answer;
  const outage = outageOf(answer, wallMs);
  if (outage) throw outage;
  const document = parseObject(answer.body);
  const refused = document?.['error'];
  if (status === 400 && (refused === 'invalid_tenant' || refused === 'invalid_request')) {
    throw new ConnectorError('TENANT_NOT_FOUND', { tenant }, { oauthError: refused });
  }
  if (status !== 200) throw failed(`${host} answered HTTP ${String(status)} ${contentType}`);
  if (!document)
    throw failed(`${host} answered something that is no JSON object (type ${JSON.stringify(contentType)})`);
  return document;
}

/**
 * The endpoint that `document` holds as `name`: a plain https URL.
 *
 * @throws ConnectorError DISCOVERY_FAILED, DISCOVERY_NOT_TRUSTED
 */
export function requiredUrl(document: Readonly<Record<string, unknown>>, name: string): URL {
  const value = document[name];
  if (typeof value !== 'string' || !URL.canParse(value)) throw failed(`${name} is missing or no URL`);
  const url = new URL(value);
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw untrusted(`${name} is not a plain https URL`);
  }
  return url;
}

function otherCloud(url: URL, askedHost: string): Discovered {
  const bothBuiltIn = cloudAt(url.host) !== undefined && cloudAt(askedHost) !== undefined;
  if (!bothBuiltIn) throw untrusted(`an endpoint stands on ${url.host} instead of ${askedHost}`);
  return { otherCloud: url.origin };
}

const DIRECTORY_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function tenantIdOf(issuer: URL, tenant: string): string {
  const named = /^\/([^/]+)\/v2\.0\/?$/.exec(issuer.pathname)?.[1]?.toLowerCase();
  const asked = tenant.toLowerCase();
  const fits =
    named !== undefined && DIRECTORY_ID.test(named) && (named === asked || !DIRECTORY_ID.test(asked));
  if (!fits) throw untrusted(`its issuer ${issuer.href} is not that of the tenant ${tenant}`);
  return named;
}

function failed(problem: string): ConnectorError {
  return new ConnectorError('DISCOVERY_FAILED', { problem });
}

function untrusted(problem: string): ConnectorError {
  return new ConnectorError('DISCOVERY_NOT_TRUSTED', { problem });
}
