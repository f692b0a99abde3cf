import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoundedLog } from '../bounded-log.js';
import { sameText } from '../http/client-secret.js';

/** Every {@link ProxyMode}. */
export const proxyModes = ['open', 'authenticated', 'broken', 'dead', 'silent'] as const;

/**
 * How the proxy takes CONNECT: from everybody (`open`); with user and password only, else 407 (`authenticated`);
 * with 502 (`broken`); by ending the connection in the middle of its answer (`dead`); not at all (`silent`).
 */
export type ProxyMode = (typeof proxyModes)[number];

/** One request to the proxy. */
export interface ProxyRequest {
  /** `HOST:PORT` that the client wanted to reach. */
  readonly target: string;
  /** Status that was answered; 0 when there was none. */
  readonly status: number;
  /** Whether the client sent credentials at all. */
  readonly credentialsReceived: boolean;
}

/** What a test has told the proxy to do. */
export interface ProxyScript {
  mode: ProxyMode;
}

/** A running proxy. */
export interface Proxy {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly log: BoundedLog<ProxyRequest>;
  close(): Promise<void>;
}

/** Who may pass when the proxy asks. */
export interface ProxyAccount {
  readonly user: string;
  readonly password: string;
}

/** An HTTP proxy on 127.0.0.1 that opens tunnels (RFC 9110 section 9.3.6), to this machine only. */
export const startProxy = async (account: ProxyAccount, script: ProxyScript): Promise<Proxy> => {
  const log = new BoundedLog<ProxyRequest>();
  const open = new Set<Duplex>();
  const server = http.createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    open.add(client);
    client.once('close', () => open.delete(client));
    client.on('error', () => undefined);
    const status = decide(request, account, script.mode);
    log.add({
      target: request.url ?? '',
      status,
      credentialsReceived: request.headers['proxy-authorization'] !== undefined,
    });
    answer(request, client, head, status, script.mode);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const client of open) client.destroy();
      }),
  };
};

const decide = ({ url = '', headers }: IncomingMessage, account: ProxyAccount, mode: ProxyMode): number => {
  if (mode === 'dead' || mode === 'silent') return 0;
  if (mode === 'broken') return 502;
  if (mode === 'authenticated' && !isAllowed(headers['proxy-authorization'], account)) return 407;
  return /^(localhost|127\.0\.0\.1):\d+$/.test(url) ? 200 : 403;
};

const isAllowed = (sent: string | undefined, { user, password }: ProxyAccount): boolean =>
  sameText(sent ?? '', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);

const answer = (
  { url = '' }: IncomingMessage,
  client: Duplex,
  head: Buffer,
  status: number,
  mode: ProxyMode,
): void => {
  if (mode === 'silent') return;
  if (mode === 'dead') return void client.end('HTTP/1.1 200 Connec');
  if (status !== 200) {
    const challenge = status === 407 ? 'Proxy-Authenticate: Basic realm="proxy"\r\n' : '';
    return void client.end(`HTTP/1.1 ${status} Refused\r\n${challenge}Content-Length: 0\r\n\r\n`);
  }
  const target = net.connect(Number(url.split(':')[1]), '127.0.0.1', () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    target.write(head);
    client.pipe(target).pipe(client);
  });
  target.on('error', () => client.destroy());
  client.once('close', () => target.destroy());
};
