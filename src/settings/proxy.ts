import { proxyUserOf } from './plain-text.js';
import { readException } from './proxy-exceptions.js';
import type { Secret } from './secret.js';
import type { ValueReader } from './value-reader.js';

/** The way to the token endpoint. */
export type ProxySettings =
  | { readonly kind: 'none' }
  /**
   * HTTPS_PROXY, else ALL_PROXY, else HTTP_PROXY, and NO_PROXY; the lower-case form of each comes
   * first. Read when the network is made.
   */
  | { readonly kind: 'environment' }
  | {
      readonly kind: 'fixed';
      readonly protocol: ProxyProtocol;
      /** Name or IP address, IPv6 without brackets. */
      readonly host: string;
      readonly port: number;
      readonly user: string | undefined;
      readonly password: Secret | undefined;
      /** Hosts that are reached directly, in the forms of {@link readException}. */
      readonly exceptions: readonly string[];
    };

type ProxyProtocol = 'http' | 'https' | 'socks5';

const DEFAULT_PORTS: Readonly<Record<ProxyProtocol, number>> = { http: 80, https: 443, socks5: 1_080 };

/** The proxy that the group of properties names. */
export function proxyOf(values: ValueReader): ProxySettings {
  const automatic = values.boolean('ProxyAutoDetect') === true;
  const named = values.optional('ProxyServer');
  const authenticates = values.choice('ProxyAuthScheme') !== 'NONE';
  const sslType = values.choice('ProxySSLType');
  if (automatic && named !== undefined)
    values.conflict(
      ['ProxyAutoDetect', 'ProxyServer'],
      'Both ProxyAutoDetect and ProxyServer are set; the proxy is either looked up or named.',
    );
  if (named === undefined) return { kind: automatic ? 'environment' : 'none' };
  if (!values.has('ProxyUser')) values.idle(['ProxyPassword'], 'without ProxyUser');
  if (!authenticates) values.idle(['ProxyUser', 'ProxyPassword'], 'with ProxyAuthScheme NONE');
  const { protocol, host, port: appended } = serverOf(values, named, sslType);
  const port = values.optionalInteger('ProxyPort') ?? appended ?? DEFAULT_PORTS[protocol];
  if (appended !== undefined && appended !== port)
    values.note('ProxyPort', `ProxyPort ${String(port)} counts, not the port in ProxyServer.`);
  const story = appended === undefined ? `usual for ${protocol}` : 'from ProxyServer';
  values.count('ProxyPort', String(port), story);
  return {
    kind: 'fixed',
    protocol,
    host,
    port,
    user: authenticates ? proxyUserOf(values, 'ProxyUser', { protocol, http: 'an HTTP proxy' }) : undefined,
    password: authenticates ? values.secret('ProxyPassword') : undefined,
    exceptions: exceptionsOf(values),
  };
}

function exceptionsOf(values: ValueReader): readonly string[] {
  const exceptions = values.list('ProxyExceptions');
  if (exceptions.some((entry) => readException(entry) === undefined))
    values.problem('ProxyExceptions', 'must hold names, .suffixes, addresses or subnets');
  return exceptions;
}

const RULE = 'must be a host name, or http://, https:// or socks5:// and a host name, with nothing behind it';

function serverOf(
  values: ValueReader,
  text: string,
  sslType: string | undefined,
): { protocol: ProxyProtocol; host: string; port: number | undefined } {
  const address = text.includes('://') ? text : `http://${text}`;
  const [, scheme = '', host = '', port] =
    /^(https?|socks5h?):\/\/([\p{L}\p{N}_.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?\/?$/iu.exec(address) ?? [];
  if (host === '' || Number(port) > 65_535 || port === '0') values.problem('ProxyServer', RULE);
  const said = scheme.toLowerCase();
  const socks = said.startsWith('socks5');
  if (socks && sslType === 'ALWAYS') values.problem('ProxySSLType', 'must not be ALWAYS with a SOCKS5 proxy');
  const secure = sslType === 'ALWAYS' || (sslType === 'AUTO' && said === 'https');
  const protocol = socks ? 'socks5' : secure ? 'https' : 'http';
  if (!socks && text.includes('://') && said !== '' && said !== protocol)
    values.note(
      'ProxyServer',
      `ProxyServer ${said}:// is read as ${protocol}:// with ProxySSLType ${sslType ?? ''}.`,
    );
  return {
    protocol,
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: port === undefined ? undefined : Number(port),
  };
}
