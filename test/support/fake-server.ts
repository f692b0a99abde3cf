import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/** One step of a scripted PostgreSQL server. */
export type Step =
  | { readonly expect: number }
  | { readonly send: Buffer }
  | { readonly close: 'end' | 'reset' }
  | { readonly stay: true };

/** A scripted server on loopback that answers the SSLRequest as told and then follows its steps. */
export interface FakeServer {
  readonly port: number;
  /** Everything clients sent after TLS, one entry per connection. */
  readonly received: Buffer[];
  close(): Promise<void>;
}

/** How the server meets a client. */
export interface FakeServerScript {
  /** Bytes sent in answer to the SSLRequest; `S` goes on with TLS. */
  readonly sslAnswer?: Buffer;
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly steps: readonly Step[];
}

/** Starts `script` on a free port of 127.0.0.1. */
export async function startFakeServer(script: FakeServerScript): Promise<FakeServer> {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    void meet(socket, script, received);
  });
  await listen(server);
  return {
    port: (server.address() as AddressInfo).port,
    received,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function meet(socket: Socket, script: FakeServerScript, received: Buffer[]): Promise<void> {
  const answer = script.sslAnswer ?? Buffer.from('S');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(answer);
  if (answer.toString('latin1') !== 'S') {
    if (answer.length > 0) socket.end();
    return;
  }
  const secureContext = createSecureContext(script.certificate);
  const stream = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['postgresql'] });
  stream.on('error', () => undefined);
  const at = received.push(Buffer.alloc(0)) - 1;
  const wake = new EventTarget();
  stream.on('data', (chunk: Buffer) => {
    received[at] = Buffer.concat([received[at]!, chunk]);
    wake.dispatchEvent(new Event('data'));
  });
  for (const step of script.steps) {
    if ('expect' in step) await until(() => received[at]!.length >= step.expect, wake);
    else if ('send' in step) stream.write(step.send);
    else if ('close' in step) {
      if (step.close === 'end') stream.end();
      else socket.resetAndDestroy();
    }
  }
}

function until(reached: () => boolean, wake: EventTarget): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!reached()) return;
      wake.removeEventListener('data', look);
      resolve();
    };
    wake.addEventListener('data', look);
    look();
  });
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
}

/** A message of the server: type, length, body. */
export function message(type: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/** AuthenticationRequest `code` with what belongs to it. */
export function authentication(code: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.alloc(4);
  body.writeInt32BE(code);
  return message('R', Buffer.concat([body, rest]));
}

/** ErrorResponse. */
export function errorResponse(sqlState: string, text: string): Buffer {
  return message('E', Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`));
}

export const READY = message('Z', Buffer.from('I'));
