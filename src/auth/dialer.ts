import type { Socket } from 'node:net';
import { aborted, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { tlsFacts } from '../tls-facts.js';
import { bareHost, nameOf, type Proxy, type Route, type Target } from './proxy.js';
import { ConnectFailure, openAuthority, openTunnel } from './tunnel.js';

/** Where undici wants a connection to; `host` is the `host[:port]` of the URL. */
interface Destination {
  readonly host?: string | undefined;
  readonly hostname: string;
  readonly port: string;
}

type Connected = (...outcome: [error: null, socket: Socket] | [error: Error, socket: null]) => void;

/** Makes the connections to the authority, and knows those that are being made. */
export interface Dialer {
  /** The `connect` of undici's Agent: a verified TLS connection by the route, or a ConnectFailure. */
  readonly connect: (destination: Destination, connected: Connected) => void;
  /** The proxy that a connection to `host` (`host[:port]`) is waiting for at this moment. */
  awaitedProxy(host: string): Proxy | undefined;
  /** Ends all connections that are being made: nobody waits for them any longer. */
  abandon(): void;
}

export interface DialerOptions {
  readonly route: Route;
  /** PEM text of the only authorities to trust; undefined: those of Node.js. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly diagnostics?: Diagnostics | undefined;
}

/** Limit for one connection, its proxy and TLS included: a lost packet must not eat the whole budget of a token. */
const CONNECT_LIMIT_MS = 10_000;

export function createDialer({ route, ca, clock, diagnostics }: DialerOptions): Dialer {
  const attempts = new Set<Attempt>();

  const open = async (attempt: Attempt): Promise<Socket> => {
    const { target, host, proxy } = attempt;
    const { signal } = attempt.ending;
    const tunnel = proxy && (await openTunnel(proxy, target, ca, signal));
    attempt.atProxy = false;
    if (proxy) diagnostics?.report('proxy.connected', { proxy: nameOf(proxy), host });
    const socket = await openAuthority(target, host, tunnel, ca, signal);
    const tls = tlsFacts(socket);
    if (tls) diagnostics?.report('tls.established', { host, ...tls });
    return socket;
  };

  const dial = async (attempt: Attempt): Promise<Socket> => {
    const expire = (): void => {
      attempt.ending.abort(expiry(attempt));
    };
    // Not what keeps a process alive: the socket does.
    const cancel = clock.after(CONNECT_LIMIT_MS, expire, { background: true });
    attempts.add(attempt);
    try {
      return await Promise.race([open(attempt), aborted(attempt.ending.signal)]);
    } finally {
      attempts.delete(attempt);
      cancel();
    }
  };

  return {
    connect({ host, hostname, port }, connected) {
      const target = { host: bareHost(hostname), port: port === '' ? 443 : Number(port) };
      const proxy = route(target);
      const attempt: Attempt = {
        host: host ?? nameOf(target),
        target,
        proxy,
        atProxy: proxy !== undefined,
        ending: new AbortController(),
      };
      dial(attempt).then(
        (socket) => {
          connected(null, socket);
        },
        (error: unknown) => {
          connected(error as Error, null);
        },
      );
    },
    awaitedProxy: (host) => [...attempts].find((attempt) => attempt.host === host && attempt.atProxy)?.proxy,
    abandon() {
      for (const { ending } of attempts)
        ending.abort(new Error('nobody waits for this connection any longer'));
    },
  };
}

/** A connection that is being made. */
interface Attempt {
  readonly host: string;
  readonly target: Target;
  readonly proxy: Proxy | undefined;
  /** Whether the proxy has not done its part yet. */
  atProxy: boolean;
  readonly ending: AbortController;
}

function expiry({ host, proxy, atProxy }: Attempt): ConnectFailure {
  const problem = `no connection within ${String(CONNECT_LIMIT_MS)} ms`;
  return proxy && atProxy
    ? new ConnectFailure('PROXY_UNREACHABLE', nameOf(proxy), problem)
    : new ConnectFailure('AUTHORITY_UNREACHABLE', host, problem);
}
