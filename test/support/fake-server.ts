import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import {
  ACCEPTED,
  authentication,
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  commandComplete,
  dataRow,
  int16,
  message,
  PARSE_COMPLETE,
  READY,
  rowDescription,
} from './server-messages.js';
import { overlay, reset } from '#sandbox/reset.js';

/** Answers by type of the client's message. */
export type Answers = Readonly<Record<'P' | 'B' | 'D' | 'E' | 'C' | 'S', Buffer>>;

/** One step of a scripted PostgreSQL server. After its last step it stays, silent. */
export type Step =
  /** Waits for so many bytes in all, or for the next message of a type (`startup` for the packet that has none). */
  | { readonly expect: number | string }
  /** Sends this, or what it makes of the client's latest message. */
  | { readonly send: Buffer | ((latest: Buffer) => Buffer) }
  /** Sends many parts, each as soon as the client has taken the one before. */
  | { readonly pour: () => Iterable<Buffer> }
  /** Answers every message to the end, as a server whose every result is `one` = 1 unless told. */
  | { readonly serve: Partial<Answers> }
  | { readonly close: 'end' | 'reset' }
  /** Goes on when that has happened. */
  | { readonly until: Promise<unknown> }
  | { readonly stay: true };

/** The answers of a good server to a statement of one row. */
const ONE_ROW: Answers = {
  P: PARSE_COMPLETE,
  B: BIND_COMPLETE,
  D: rowDescription('one'),
  E: Buffer.concat([dataRow('1'), commandComplete('SELECT 1')]),
  C: CLOSE_COMPLETE,
  S: READY,
};

/** A scripted server on loopback that answers the SSLRequest as told and then follows its steps. */
export interface FakeServer {
  readonly port: number;
  /** Everything clients sent after TLS, one entry per connection. */
  readonly received: Buffer[];
  close(): Promise<void>;
}

/** How the server meets a client: in the clear or by TLS, requested or direct, as the client begins. */
export interface FakeServerScript {
  readonly certificate: { readonly key: string; readonly cert: string };
  /** Bytes sent in answer to the SSLRequest; `S` goes on with TLS. */
  readonly sslAnswer?: Buffer;
  readonly steps: readonly Step[];
  /** Steps of the connections after the first; the last of them serve all further ones. */
  readonly later?: readonly (readonly Step[])[];
}

/** Asks for a password in the clear, or otherwise as told; lets in whoever shows any, then follows `steps`. */
export function afterLogin(steps: readonly Step[], request = authentication(3)): readonly Step[] {
  return [{ expect: 'startup' }, { send: request }, { expect: 'p' }, { send: ACCEPTED }, ...steps];
}

/** Starts `script` on a free port of 127.0.0.1. */
export async function startFakeServer(script: FakeServerScript): Promise<FakeServer> {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const scripts = [script.steps, ...(script.later ?? [])];
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    const steps = scripts[Math.min(connections, scripts.length - 1)]!;
    connections += 1;
    void negotiate(socket, script).then((stream) =>
      stream ? follow(steps, new Listener(stream, received), socket) : undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const SSL_REQUEST_CODE = 80_877_103;
const TLS_HANDSHAKE = 0x16;

/** The stream on which the client sends its startup packet; undefined when it gets none. */
async function negotiate(
  socket: Socket,
  { certificate, sslAnswer = Buffer.from('S') }: FakeServerScript,
): Promise<Duplex | undefined> {
  await once(socket, 'readable');
  const first = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
  const asksForTls = first.length === 8 && first.readUInt32BE(4) === SSL_REQUEST_CODE;
  if (!asksForTls) {
    socket.unshift(first);
    if (first[0] !== TLS_HANDSHAKE) return socket;
  } else {
    socket.write(sslAnswer);
    if (sslAnswer.toString('latin1') !== 'S') {
      if (sslAnswer.length > 0) socket.end();
      return undefined;
    }
  }
  const secureContext = createSecureContext(certificate);
  const stream = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['postgresql'] });
  overlay(socket, stream);
  return stream.on('error', () => undefined);
}

async function follow(steps: readonly Step[], client: Listener, socket: Socket): Promise<void> {
  for (const step of steps) {
    if ('expect' in step) await client.expect(step.expect);
    else if ('send' in step)
      client.stream.write(typeof step.send === 'function' ? step.send(client.latest) : step.send);
    else if ('serve' in step) await serve(client, { ...ONE_ROW, ...step.serve });
    else if ('pour' in step) await pour(client.stream, step.pour());
    else if ('until' in step) await step.until;
    else if ('close' in step) {
      if (step.close === 'end') client.stream.end();
      else reset(socket);
    }
  }
}

async function pour(stream: Duplex, parts: Iterable<Buffer>): Promise<void> {
  const gone = new Promise((resolve) => stream.once('close', resolve));
  for (const part of parts) {
    if (stream.destroyed) return;
    if (!stream.write(part))
      await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), gone]);
  }
}

const DESCRIBES_STATEMENT = 'S'.charCodeAt(0);

async function serve(client: Listener, answers: Answers): Promise<void> {
  for (;;) {
    const type = await client.next();
    if (type === 'D' && client.latest[5] === DESCRIBES_STATEMENT) client.stream.write(message('t', int16(0)));
    if (type in answers) client.stream.write(answers[type as keyof Answers]);
  }
}

/** Hears what a client sends, message by message. */
class Listener {
  readonly stream: Duplex;
  readonly #received: Buffer[];
  readonly #place: number;
  /** Where the next message begins that no step has seen. */
  #at = 0;
  /** The message that was seen last. */
  latest: Buffer = Buffer.alloc(0);

  constructor(stream: Duplex, received: Buffer[]) {
    this.stream = stream;
    this.#received = received;
    this.#place = received.push(Buffer.alloc(0)) - 1;
    stream.on('data', (chunk: Buffer) => {
      received[this.#place] = Buffer.concat([this.#bytes, chunk]);
    });
  }

  /** Resolves once it has come; never when the client leaves before. */
  async expect(what: number | string): Promise<void> {
    if (typeof what === 'number') while (this.#bytes.length < what) await this.#more();
    else while ((await this.next()) !== what);
  }

  /** Type of the next message. */
  async next(): Promise<string> {
    const lengthAt = this.#at === 0 ? 0 : this.#at + 1;
    while (this.#bytes.length < lengthAt + 4) await this.#more();
    const end = lengthAt + this.#bytes.readInt32BE(lengthAt);
    while (this.#bytes.length < end) await this.#more();
    this.latest = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return lengthAt === 0 ? 'startup' : this.latest.toString('latin1', 0, 1);
  }

  #more(): Promise<unknown> {
    return new Promise((resolve) => this.stream.once('data', resolve));
  }

  get #bytes(): Buffer {
    return this.#received[this.#place]!;
  }
}
