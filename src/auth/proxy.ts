import { isIP } from 'node:net';
import { ConnectorError } from '../errors.js';
import { readException, type Target } from '../settings/proxy-exceptions.js';
import { isBasicUser } from '../settings/plain-text.js';
import { Secret } from '../settings/secret.js';
import type { ProxySettings } from '../settings/settings.js';

export type { Target } from '../settings/proxy-exceptions.js';

/** A proxy on the way to the token endpoint and what it asks for. */
export type Proxy = Omit<Extract<ProxySettings, { kind: 'fixed' }>, 'kind' | 'exceptions'>;

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy on the way to a target, or undefined where it is reached directly. */
export type Route = (target: Target) => Proxy | undefined;

/**
 * The route of `settings`.
 *
 * @throws ConnectorError PROPERTY_INVALID for a variable of `environment` that holds no proxy
 */
export function readRoute(settings: ProxySettings, environment: Environment): Route {
  if (settings.kind === 'none') return () => undefined;
  const { proxy, exceptions } =
    settings.kind === 'fixed'
      ? { proxy: settings, exceptions: settings.exceptions }
      : environmentProxy(environment);
  const exempt = exceptions.map(readException).filter((exception) => exception !== undefined);
  return (target) => (exempt.some((covers) => covers(target)) ? undefined : proxy);
}

function environmentProxy(environment: Environment): {
  proxy: Proxy | undefined;
  exceptions: readonly string[];
} {
  const variable = ['HTTPS_PROXY', 'ALL_PROXY', 'HTTP_PROXY']
    .flatMap((name) => [name.toLowerCase(), name])
    .find((name) => (environment[name] ?? '') !== '');
  return {
    proxy: variable === undefined ? undefined : parseProxy(environment[variable] ?? '', variable),
    exceptions: (environment['no_proxy'] ?? environment['NO_PROXY'] ?? '').split(/[\s,]+/),
  };
}

const SCHEMES: Readonly<Record<string, Pick<Proxy, 'protocol' | 'port'>>> = {
  'http:': { protocol: 'http', port: 80 },
  'https:': { protocol: 'https', port: 443 },
  'socks5:': { protocol: 'socks5', port: 1080 },
  'socks5h:': { protocol: 'socks5', port: 1080 },
};

// `[scheme://][user[:password]@]host[:port]`, http where no scheme stands, as curl reads it.
function parseProxy(text: string, variable: string): Proxy {
  const address = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const scheme = SCHEMES[url?.protocol ?? ''];
  // The value stays out of the words: it may hold a password.
  const refuse = (words: string): never => {
    throw new ConnectorError('PROPERTY_INVALID', {
      problems: `The environment variable ${variable} ${words}.`,
    });
  };
  if (!url || !scheme || url.hostname === '')
    return refuse('holds no address of an HTTP, HTTPS or SOCKS5 proxy');
  const user = decoded(url.username);
  if (scheme.protocol !== 'socks5' && !isBasicUser(user))
    return refuse('names a user with a colon or a control character, which an HTTP proxy cannot take');
  return {
    protocol: scheme.protocol,
    host: bareHost(url.hostname),
    // The default port of the scheme is left out by URL, also where it was given.
    port: url.port === '' ? scheme.port : Number(url.port),
    user: user === '' ? undefined : user,
    password: url.password === '' ? undefined : new Secret(decoded(url.password)),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Host of a URL without the brackets of an IPv6 address. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/**
 * What TLS asks for with `host`: its name without the dot that may end it (RFC 6066 section 3), and nothing for an address.
 */
export function serverNameOf(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {};
}

/** `host:port` for words. */
export function nameOf({ host, port }: Target): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`;
}
