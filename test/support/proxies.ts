import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { reset } from '#sandbox/reset.js';

/** A proxy on loopback. It takes every name for 127.0.0.1, as only its own resolver does. */
export interface TestProxy {
  readonly port: number;
  /** What it was asked to connect to, `host:port`, and with which credentials, `user:password`. */
  readonly asked: { readonly target: string; readonly credentials: string | undefined }[];
  /** Connections of clients that are open. */
  readonly open: number;
  close(): Promise<void>;
}

/** Credentials that the proxy insists on, `user:password`. */
interface Guarded {
  readonly credentials?: string;
}

/** How an HTTP proxy answers a CONNECT. */
export interface HttpProxyScript extends Guarded {
  /** With it, the proxy is spoken to by TLS. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  /** Instead of a tunnel: bytes sent as they are, or a reset without an answer, or nothing at all. */
  readonly instead?: Buffer | 'reset' | 'silence';
}

/** How a SOCKS5 proxy answers a CONNECT. */
export interface SocksProxyScript extends Guarded {
  /** Instead of a tunnel: the reply code of RFC 1928 section 6, or a reset, or nothing at all. */
  readonly instead?: number | 'reset' | 'silence';
}

export async function startHttpProxy(script: HttpProxyScript = {}): Promise<TestProxy> {
  const { certificate, credentials, instead } = script;
  const server = certificate ? createHttpsServer(certificate) : createHttpServer();
  const proxy = watched(server);
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    client.on('error', () => undefined);
    const target = request.url ?? '';
    const [, encoded] = (request.headers['proxy-authorization'] ?? '').split('Basic ');
    const given = encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString();
    proxy.asked.push({ target, credentials: given });
    // A server of HTTP leaves it to us to notice that the client has gone.
    client.on('end', () => client.destroy());
    if (instead !== undefined) client.resume();
    if (instead === 'silence') return;
    if (instead === 'reset') client.destroy();
    else if (instead) client.write(instead);
    else if (given !== credentials) client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    else {
      tunnel(client, target, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      });
    }
  });
  return proxy.listen();
}

/** How a SOCKS4 proxy answers a CONNECT; `credentials` is the user name that it insists on, before a colon. */
export interface Socks4ProxyScript extends Guarded {
  /** Instead of a tunnel: the reply code (91 to 93), or a reset, or nothing at all. */
  readonly instead?: number | 'reset' | 'silence';
}

/** A proxy that speaks SOCKS4 and its extension 4A. */
export async function startSocks4Proxy(script: Socks4ProxyScript = {}): Promise<TestProxy> {
  const server = createServer((client) => {
    client.on('error', () => undefined);
    client.once('data', (request) => {
      answerSocks4(client, request, script, proxy.asked);
    });
  });
  const proxy = watched(server);
  return proxy.listen();
}

// Version 4, command, port, address; user name and, for an address 0.0.0.x (4A), host name, each with a 0 behind it.
function answerSocks4(
  client: Socket,
  request: Buffer,
  { credentials, instead }: Socks4ProxyScript,
  asked: TestProxy['asked'],
): void {
  const [user = '', name = ''] = request.toString('utf8', 8).split('\0');
  const address = [...request.subarray(4, 8)];
  const isNamed = address.slice(0, 3).every((part) => part === 0);
  const target = `${isNamed ? name : address.join('.')}:${String(request.readUInt16BE(2))}`;
  asked.push({ target, credentials: user });
  const reply = (code: number): Buffer => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);
  if (instead === 'silence') return;
  if (instead === 'reset') reset(client);
  else if (instead !== undefined) client.end(reply(instead));
  else if (request[0] !== 4 || (credentials !== undefined && credentials !== user)) client.end(reply(93));
  else tunnel(client, target, () => client.write(reply(90)));
}

export async function startSocksProxy(script: SocksProxyScript = {}): Promise<TestProxy> {
  const server = createServer((client) => {
    client.on('error', () => undefined);
    void converse(client, script, proxy.asked);
  });
  const proxy = watched(server);
  return proxy.listen();
}

const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;

async function converse(client: Socket, script: SocksProxyScript, asked: TestProxy['asked']): Promise<void> {
  const greeting = await nextChunk(client);
  const method = script.credentials === undefined ? NO_AUTHENTICATION : USER_AND_PASSWORD;
  if (!greeting.subarray(2).includes(method)) {
    client.end(Buffer.from([5, 0xff]));
    return;
  }
  client.write(Buffer.from([5, method]));
  let credentials: string | undefined;
  if (method === USER_AND_PASSWORD) {
    credentials = readCredentials(await nextChunk(client));
    client.write(Buffer.from([1, credentials === script.credentials ? 0 : 1]));
    if (credentials !== script.credentials) return;
  }
  const target = readTarget(await nextChunk(client));
  asked.push({ target, credentials });
  const reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
  if (script.instead === 'silence') return;
  if (script.instead === 'reset') reset(client);
  else if (script.instead !== undefined) client.end(reply(script.instead));
  else tunnel(client, target, () => client.write(reply(0)));
}

function nextChunk(client: Socket): Promise<Buffer> {
  return new Promise((resolve) => client.once('data', resolve));
}

// RFC 1929 section 2: version, length and user, length and password.
function readCredentials(message: Buffer): string {
  const userEnd = 2 + message[1]!;
  return `${message.toString('utf8', 2, userEnd)}:${message.toString('utf8', userEnd + 1)}`;
}

// RFC 1928 section 4: version, command, 0, kind of address (1 IPv4, 3 name), address, port.
function readTarget(message: Buffer): string {
  const host =
    message[3] === 1
      ? [...message.subarray(4, 8)].join('.')
      : message.toString('utf8', 5, message.length - 2);
  return `${host}:${String(message.readUInt16BE(message.length - 2))}`;
}

function tunnel(client: Duplex, target: string, established: () => void): void {
  const port = Number(target.slice(target.lastIndexOf(':') + 1));
  const upstream = connect(port, '127.0.0.1', established);
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
  client.pipe(upstream).pipe(client);
}

function watched(server: Server): { asked: TestProxy['asked']; listen(): Promise<TestProxy> } {
  const sockets = new Set<Socket>();
  const asked: TestProxy['asked'] = [];
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  return {
    asked,
    async listen() {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      return {
        port: (server.address() as AddressInfo).port,
        asked,
        get open() {
          return sockets.size;
        },
        close: () => {
          for (const socket of sockets) socket.destroy();
          return new Promise((resolve) => server.close(() => resolve()));
        },
      };
    },
  };
}
