import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import { describe } from '../errors.js';
import type { FirewallProxy } from '../settings/settings.js';
import { nameOf, serverNameOf, type Proxy, type Target } from './proxy.js';

type FailureCode =
  | 'AUTHORITY_UNREACHABLE'
  | 'AUTHORITY_NOT_VERIFIED'
  | 'PROXY_UNREACHABLE'
  | 'PROXY_NOT_VERIFIED'
  | 'PROXY_AUTHENTICATION_FAILED'
  | 'PROXY_REFUSED';

/** Why there is no connection: what a ConnectorError is made of, once it is known for which request. */
export class ConnectFailure extends Error {
  readonly reason: FailureCode;
  readonly details: { readonly host: string; readonly problem: string };
  readonly retryable: boolean | undefined;

  constructor(
    reason: FailureCode,
    host: string,
    problem: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    super(problem, { cause: options.cause });
    this.reason = reason;
    this.details = { host, problem };
    this.retryable = options.retryable;
  }
}

/**
 * A verified TLS connection to the authority at `target`, over `carrier` where a proxy made one.
 * `name` stands for it in words. `ca`: PEM text of the only authorities to trust; undefined: those
 * of Node.js. What is not finished when `signal` aborts is destroyed.
 *
 * @throws ConnectFailure AUTHORITY_UNREACHABLE, AUTHORITY_NOT_VERIFIED
 */
export async function openAuthority(
  target: Target,
  name: string,
  carrier: Socket | undefined,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const peer: Peer = {
    ...target,
    name,
    unreachable: 'AUTHORITY_UNREACHABLE',
    notVerified: 'AUTHORITY_NOT_VERIFIED',
  };
  // In a list, since Node.js takes an empty text for none and trusts its own roots then.
  return encrypt(carrier ?? (await openTcp(peer, signal)), peer, ca === undefined ? undefined : [ca]);
}

/**
 * A connection to `target` through `proxy`, which resolves the name of `target` itself; nothing is
 * encrypted to `target` yet. What is not finished when `signal` aborts is destroyed. With `ca` an
 * HTTPS proxy may be verified by it, or by the roots of Node.js: a company's CA usually stands
 * behind both its proxy and what that proxy inspects, but the proxy may as well be a public one.
 *
 * @throws ConnectFailure PROXY_UNREACHABLE, PROXY_NOT_VERIFIED, PROXY_AUTHENTICATION_FAILED,
 *   PROXY_REFUSED
 */
export async function openTunnel(
  proxy: Proxy,
  target: Target,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const peer: Peer = {
    host: proxy.host,
    port: proxy.port,
    name: nameOf(proxy),
    unreachable: 'PROXY_UNREACHABLE',
    notVerified: 'PROXY_NOT_VERIFIED',
  };
  const tcp = await openTcp(peer, signal);
  const trusted = (): string[] | undefined => (ca === undefined ? undefined : [...rootCertificates, ca]);
  const socket = proxy.protocol === 'https' ? await encrypt(tcp, peer, trusted()) : tcp;
  return askForTunnel(socket, proxy, target);
}

/** A proxy that is spoken to over a socket that is open already. */
type OpenProxy = Omit<Proxy | FirewallProxy, 'protocol'> & {
  readonly protocol: Proxy['protocol'] | FirewallProxy['protocol'];
};

/**
 * `socket` once the proxy at its other end has connected it to `target`, whose name the proxy
 * resolves. Destroys it on failure; destroyed by others, it makes this fail.
 *
 * @throws ConnectFailure PROXY_AUTHENTICATION_FAILED, PROXY_REFUSED
 */
export async function askForTunnel(socket: Socket, proxy: OpenProxy, target: Target): Promise<Socket> {
  try {
    return await (proxy.protocol === 'socks4' || proxy.protocol === 'socks5'
      ? tunnelBySocks(socket, proxy, target)
      : tunnelByConnect(socket, proxy, target));
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

interface Peer extends Target {
  readonly name: string;
  readonly unreachable: 'AUTHORITY_UNREACHABLE' | 'PROXY_UNREACHABLE';
  readonly notVerified: 'AUTHORITY_NOT_VERIFIED' | 'PROXY_NOT_VERIFIED';
}

async function openTcp(peer: Peer, signal: AbortSignal): Promise<Socket> {
  const { host, port } = peer;
  const socket = connectTcp({ host, port, noDelay: true });
  // What is built on this socket ends with it.
  const leave = (): void => {
    socket.destroy();
  };
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  await ready(socket, 'connect', peer);
  return socket;
}

async function encrypt(carrier: Socket, peer: Peer, ca: string[] | undefined): Promise<Socket> {
  const { host } = peer;
  try {
    // Everything is said explicitly, so that NODE_TLS_REJECT_UNAUTHORIZED=0 weakens nothing.
    const socket = connectTls({
      socket: carrier,
      host,
      ...serverNameOf(host),
      ...(ca !== undefined && { ca }),
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
    });
    socket.once('close', () => carrier.destroy());
    await ready(socket, 'secureConnect', peer);
    return socket;
  } catch (error) {
    // Node.js throws over a CA that cannot be read, before there is a socket.
    carrier.destroy();
    throw error instanceof ConnectFailure ? error : connectionFailure(error as Error, peer);
  }
}

/** Waits for `event`; a socket that fails or ends before is destroyed. */
function ready(socket: Socket, event: 'connect' | 'secureConnect', peer: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    // This listener stays: what carries another stream may fail after that one has ended.
    socket.on('error', (error) => {
      reject(connectionFailure(error, peer));
    });
    socket.once('close', () => {
      reject(new ConnectFailure(peer.unreachable, peer.name, 'the connection was closed'));
    });
    socket.once(event, () => {
      resolve();
    });
  });
}

function connectionFailure(error: Error, peer: Peer): ConnectFailure {
  // Several addresses tried: the errors of all stand in an AggregateError without a message.
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const reason = isVerificationFailure(cause) ? peer.notVerified : peer.unreachable;
  return new ConnectFailure(reason, peer.name, problemOf(cause), { cause });
}

// What OpenSSL says of a peer that does not speak TLS is a riddle.
function problemOf(cause: unknown): string {
  const { code } = cause as { code?: unknown };
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' ? 'it does not speak TLS on this port' : describe(cause);
}

/** Tells failures of Node.js and OpenSSL to verify a peer from those of the network, by code. */
export function isVerificationFailure(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return (
    typeof code === 'string' &&
    /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|INVALID_CA|ERR_SSL|ERR_TLS|ERR_OSSL|HOSTNAME_MISMATCH/.test(code)
  );
}

/** CONNECT (RFC 9110 section 9.3.6) with Basic credentials (RFC 7617) where there are some. */
async function tunnelByConnect(socket: Socket, proxy: OpenProxy, target: Target): Promise<Socket> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const authority = nameOf(target);
    const connect = request({
      createConnection: () => socket,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, connection: 'keep-alive', ...authorization(proxy) },
    });
    connect.once('connect', ({ statusCode = 0 }, _, early: Buffer) => {
      const refused = refusalOf(statusCode, early, proxy);
      if (refused) reject(refused);
      else resolve(socket);
    });
    connect.on('error', (error) => {
      // Not as the cause: it may hold what the proxy sent.
      reject(new ConnectFailure('PROXY_REFUSED', nameOf(proxy), describe(error)));
    });
    connect.end();
  });
}

function authorization({ user, password }: OpenProxy): Record<string, string> {
  if (user === undefined) return {};
  const credentials = Buffer.from(`${user}:${password?.reveal() ?? ''}`).toString('base64');
  return { 'proxy-authorization': `Basic ${credentials}` };
}

function refusalOf(status: number, early: Buffer, proxy: OpenProxy): ConnectFailure | undefined {
  const problem = `HTTP ${String(status)}`;
  if (status === 407) return new ConnectFailure('PROXY_AUTHENTICATION_FAILED', nameOf(proxy), problem);
  if (status < 200 || status > 299) {
    return new ConnectFailure('PROXY_REFUSED', nameOf(proxy), problem, { retryable: status >= 500 });
  }
  // In TLS the client speaks first: these bytes are the proxy's own.
  if (early.length === 0) return undefined;
  return new ConnectFailure('PROXY_REFUSED', nameOf(proxy), 'it answered more than was asked');
}

/** What a timer of Node.js takes at most. */
const LONGEST_TIMER_MS = 2_147_483_647;

/**
 * CONNECT of SOCKS 5 (RFC 1928) with user name and password (RFC 1929) where there are some, or of
 * SOCKS 4 with its extension 4A and a user name.
 */
async function tunnelBySocks(socket: Socket, proxy: OpenProxy, target: Target): Promise<Socket> {
  const { user: userId = '', password } = proxy;
  const secret = password?.reveal() ?? '';
  // The library would crash over these: a length has one byte there.
  if ([userId, secret, target.host].some((text) => Buffer.byteLength(text) > 255)) {
    const problem = 'user, password and host have at most 255 bytes each in SOCKS';
    throw new ConnectFailure('PROXY_REFUSED', nameOf(proxy), problem, { retryable: false });
  }
  const { SocksClient } = await import('socks');
  try {
    await SocksClient.createConnection({
      command: 'connect',
      existing_socket: socket,
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: proxy.protocol === 'socks4' ? 4 : 5,
        userId,
        password: secret,
      },
      destination: target,
      // Whoever opened the socket limits the time; the library would do so after 30 s.
      timeout: LONGEST_TIMER_MS,
    });
    return socket;
  } catch (error) {
    throw socksFailure(error, proxy);
  }
}

// The library says what happened in words only. Its error is no cause: the password hangs on it.
function socksFailure(error: unknown, proxy: OpenProxy): ConnectFailure {
  const text = describe(error);
  if (/Authentication failed|no accepted authentication type/.test(text)) {
    return new ConnectFailure('PROXY_AUTHENTICATION_FAILED', nameOf(proxy), text);
  }
  const retryable = !text.includes('NotAllowed');
  return new ConnectFailure('PROXY_REFUSED', nameOf(proxy), text, { retryable });
}
