import type { Socket } from 'node:net';
import { nameOf, type Target } from '../../auth/proxy.js';
import { askForTunnel } from '../../auth/tunnel.js';
import type { FirewallProxy, WaySettings } from '../../settings/settings.js';
import { firewallRefusal, firewallUnreachable, sshUnreachable, tcpError } from './failures.js';
import { endWith, within, type Endpoint, type Wait } from './stage.js';
import { dial, type DialOptions } from './tcp.js';

/**
 * The bare connection, all addresses of the name tried: TCP, or the stream that a proxy or an SSH
 * server made.
 */
export function openTcp(endpoint: Endpoint, wait: Wait): Promise<Socket> {
  const { way } = endpoint;
  const through = nameOfWay(way);
  const stage = `the TCP connection${through === undefined ? '' : ` through ${through}`}`;
  return within(wait, endpoint, stage, (settle) => {
    const { signal } = settle;
    openWay(endpoint, way, { clock: wait.clock, signal }).then(
      (socket) => {
        // Nobody waits for one that comes too late.
        if (signal.aborted) socket.destroy();
        else settle.resolve(socket);
      },
      (error: unknown) => {
        settle.reject(error as Error);
      },
    );
  });
}

/**
 * A stream to `target` by `way`: dialled, or made by the proxy, by the SSH server, or by the SSH
 * server that the proxy leads to. All of the way ends with the stream.
 *
 * @throws ConnectorError SERVER_UNREACHABLE, SERVER_NAME_UNKNOWN, FIREWALL_…, SSH_…; the reason of the signal
 */
export async function openWay(target: Target, way: WaySettings, options: DialOptions): Promise<Socket> {
  const { firewall, ssh } = way;
  const toFirst = (to: Target, failure: (error: unknown) => Error): Promise<Socket> =>
    firewall ? throughFirewall(firewall, to, options) : dialled(to, failure, options);
  if (!ssh) return toFirst(target, (error) => tcpError(error, target));
  const carrier = await toFirst(ssh, (error) => sshUnreachable(error, ssh));
  endWith(options.signal, carrier);
  const { openForwarding } = await import('./ssh.js');
  return openForwarding(carrier, ssh, target, options.signal);
}

/** The way in words, for reports; undefined where there is nothing on it. */
export function nameOfWay({ firewall, ssh }: WaySettings): string | undefined {
  const parts = [
    firewall && `the ${PROXY_NAMES[firewall.protocol]} proxy ${nameOf(firewall)}`,
    ssh && `the SSH server ${nameOf(ssh)}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', then ');
}

const PROXY_NAMES = { http: 'HTTP', socks4: 'SOCKS4', socks5: 'SOCKS5' } as const;

async function throughFirewall(proxy: FirewallProxy, target: Target, options: DialOptions): Promise<Socket> {
  const socket = await dialled(proxy, (error) => firewallUnreachable(error, proxy), options);
  endWith(options.signal, socket);
  try {
    return await askForTunnel(socket, proxy, target);
  } catch (error) {
    throw firewallRefusal(error, proxy, target);
  }
}

async function dialled(
  to: Target,
  failure: (error: unknown) => Error,
  options: DialOptions,
): Promise<Socket> {
  try {
    return await dial(to, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw failure(error);
  }
}
