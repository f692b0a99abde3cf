import { BlockList, isIP } from 'node:net';
import { ConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';

/** Which proxy the connections to the authority go through. */
export type ProxySettings =
  | { readonly kind: 'none' }
  /**
   * HTTPS_PROXY, else ALL_PROXY, else HTTP_PROXY, and NO_PROXY; the lower-case form of each comes
   * first. Read when the network is made.
   */
  | { readonly kind: 'environment' }
  | (Proxy & {
      readonly kind: 'fixed';
      /** Hosts that are reached directly, in the forms of {@link readException}. */
      readonly exceptions: readonly string[];
    });

/** A proxy and what it asks for. */
export interface Proxy {
  readonly protocol: 'http' | 'https' | 'socks5';
  /** Name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: Secret | undefined;
}

/** One end of a connection. `host` is a name or an IP address, IPv6 without brackets. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

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
  if (!url || !scheme || url.hostname === '') {
    // The value stays out of the words: it may hold a password.
    const problem = `The environment variable ${variable} holds no address of an HTTP, HTTPS or SOCKS5 proxy.`;
    throw new ConnectorError('PROPERTY_INVALID', { problems: problem });
  }
  return {
    protocol: scheme.protocol,
    host: bareHost(url.hostname),
    // The default port of the scheme is left out by URL, also where it was given.
    port: url.port === '' ? scheme.port : Number(url.port),
    user: url.username === '' ? undefined : decoded(url.username),
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

/** Tells whether an exception covers a target. */
export type Exception = (target: Target) => boolean;

/**
 * Reads one entry of an exceptions list: `*`, a name (covers itself and the names below it),
 * `.suffix` or `*.suffix` (the names below only), an IP address, or a subnet (`10.0.0.0/8`); all
 * but the subnet also with `:port`. Letter case does not matter. Subnets and addresses are
 * compared with targets that are addresses themselves: no name is resolved for it.
 *
 * Undefined for anything else.
 */
export function readException(text: string): Exception | undefined {
  const entry = text.trim().toLowerCase();
  if (entry.includes('/')) return subnetException(entry);
  if (isIP(entry) !== 0) return addressException(entry);
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined;
  const covers = host === '*' ? () => true : isIP(host) === 0 ? nameException(host) : addressException(host);
  return covers && ((target) => (port === undefined || Number(port) === target.port) && covers(target));
}

function nameException(pattern: string): Exception | undefined {
  const [, below, name] = /^(\*?\.)?([a-z0-9_]([\w.-]*[a-z0-9_])?)\.?$/.exec(pattern) ?? [];
  if (name === undefined) return undefined;
  return (target) => {
    const host = target.host.toLowerCase().replace(/\.$/, '');
    return host.endsWith(`.${name}`) || (below === undefined && host === name);
  };
}

function addressException(address: string): Exception {
  return subnetException(`${address}/${isIP(address) === 4 ? '32' : '128'}`) ?? (() => false);
}

function subnetException(entry: string): Exception | undefined {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const version = isIP(address);
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return undefined;
  const subnet = new BlockList();
  subnet.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return ({ host }) => {
    const hostVersion = isIP(host);
    return hostVersion !== 0 && subnet.check(host, hostVersion === 4 ? 'ipv4' : 'ipv6');
  };
}

/** Host of a URL without the brackets of an IPv6 address. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** `host:port` for words. */
export function nameOf({ host, port }: Target): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`;
}
