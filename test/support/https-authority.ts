import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions, TLSSocket } from 'node:tls';

/** An HTTPS server on loopback that answers as a test says. */
export interface HttpsAuthority {
  readonly port: number;
  /** Server name (SNI) of each connection that was encrypted; undefined where none was asked for. */
  readonly names: (string | undefined)[];
  /** Connections that are open, encrypted or not yet. */
  readonly open: number;
  /** What answers from now on. */
  answer: RequestListener;
  close(): Promise<void>;
}

export async function startHttpsAuthority(options: TlsOptions): Promise<HttpsAuthority> {
  const names: HttpsAuthority['names'] = [];
  const sockets = new Set<Socket>();
  const server = createServer(options, (request, response) => {
    authority.answer(request, response);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', ({ servername }: TLSSocket & { servername?: string | false }) => {
    names.push(typeof servername === 'string' ? servername : undefined);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const authority: HttpsAuthority = {
    port: (server.address() as AddressInfo).port,
    names,
    get open() {
      return sockets.size;
    },
    answer: (_, response) => response.end('{}'),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return authority;
}
