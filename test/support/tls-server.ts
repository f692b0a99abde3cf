import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContextOptions, type TLSSocketOptions } from 'node:tls';
import { startBudget, systemClock } from '#src/clock.js';
import type { Endpoint, Wait } from '#src/connection/transport.js';
import { createCertificateAuthority, keyFor } from '#sandbox/certificates.js';
import { reset } from '#sandbox/reset.js';

/** A server on loopback that answers an SSLRequest and does TLS, or does TLS at once; then it echoes. */
export interface TlsServer {
  readonly port: number;
  /** Connections that came, and of these the ones that resumed a session. */
  readonly counts: { connections: number; resumed: number };
  /** Everything that was received outside of TLS. */
  readonly clear: Buffer[];
  /** Names that clients asked for in TLS (SNI). */
  readonly names: string[];
  /** Connections that are open. */
  readonly open: number;
  /** How further connections are met. */
  options: TlsServerOptions;
  close(): Promise<void>;
}

export interface TlsServerOptions
  extends SecureContextOptions, Pick<TLSSocketOptions, 'requestCert' | 'rejectUnauthorized'> {
  /** Sent in answer to the SSLRequest in place of `S`; then nothing more, or the end. */
  readonly answer?: Buffer | 'silence' | 'end';
  readonly protocols?: string[];
  /** What becomes of the connection when the handshake has begun. */
  readonly handshake?: 'reset' | 'end';
}

export async function startTlsServer(options: TlsServerOptions): Promise<TlsServer> {
  const sockets = new Set<Socket>();
  const context = new Map<TlsServerOptions, ReturnType<typeof createSecureContext>>();
  const contextOf = (given: TlsServerOptions) => {
    const made = context.get(given) ?? createSecureContext(given);
    context.set(given, made);
    return made;
  };
  const server = createServer((socket) => {
    running.counts.connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    const { answer } = running.options;
    socket.once('data', (first) => {
      if (first[0] === 0x16 && answer === undefined) {
        socket.pause();
        socket.unshift(first);
      } else {
        running.clear.push(first);
        if (answer === 'silence') return;
        if (answer === 'end') socket.end();
        else socket.write(answer ?? 'S');
        if (answer !== undefined) return;
      }
      const { handshake } = running.options;
      if (handshake !== undefined) {
        socket.once('data', () => {
          if (handshake === 'end') socket.end();
          else reset(socket);
        });
        return;
      }
      const stream = new TLSSocket(socket, {
        isServer: true,
        secureContext: contextOf(running.options),
        ALPNProtocols: running.options.protocols ?? ['postgresql'],
        ...(running.options.requestCert && { requestCert: true, rejectUnauthorized: false }),
      });
      stream.on('error', () => undefined);
      stream.once('secure', () => {
        if (stream.isSessionReused()) running.counts.resumed += 1;
        if (typeof stream.servername === 'string') running.names.push(stream.servername);
      });
      stream.on('data', (chunk: Buffer) => {
        const { CN } = (stream.getPeerCertificate() as { subject?: { CN: string } }).subject ?? {};
        stream.write(CN === undefined ? chunk : `${CN}: ${chunk.toString()}`);
      });
    });
  });
  const running: TlsServer = {
    port: 0,
    counts: { connections: 0, resumed: 0 },
    clear: [],
    names: [],
    get open() {
      return sockets.size;
    },
    options,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return Object.defineProperty(running, 'port', { value: (server.address() as AddressInfo).port });
}

const DIRECT = { firewall: undefined, ssh: undefined };

/** An endpoint on loopback that is verified by `tls.ca`; `changes` override everything but the parts of `tls`. */
export function endpointOf(
  port: number,
  tls: Partial<Endpoint['tls']> = {},
  changes: Partial<Omit<Endpoint, 'tls'>> = {},
): Endpoint {
  return {
    host: 'localhost',
    port,
    way: DIRECT,
    tls: {
      mode: 'verify-full',
      negotiation: 'postgres',
      ca: undefined,
      pins: undefined,
      clientCertificate: undefined,
      ...tls,
    },
    ...changes,
  };
}

/** A wait of `timeoutMs` on the clock of the machine. */
export function waitOf(timeoutMs = 5_000, signal?: AbortSignal): Wait {
  return { clock: systemClock, budget: startBudget(systemClock, timeoutMs), signal };
}

/** What comes back for `text` over `socket`. */
export function echo(socket: Socket, text = 'ping'): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.write(text);
  });
}

/** Ends `socket` and waits until it is gone. */
export async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  await closed;
}

/** A caller that leaves at the very moment at which a TCP connection is there, before anything is built on it. */
export function abortedOnceDialled(reason: Error): AbortController {
  const caller = new AbortController();
  const { signal } = caller;
  const remove = signal.removeEventListener.bind(signal);
  // Dialling listens until it is over.
  signal.removeEventListener = (...given: Parameters<typeof remove>): void => {
    remove(...given);
    queueMicrotask(() => {
      caller.abort(reason);
    });
  };
  return caller;
}

/** A TLS server for `hosts`, and the authority that vouches for it, for the tests of one `describe`. */
export function useTlsServer(hosts: readonly string[]): { readonly server: TlsServer; readonly ca: string } {
  let running: { readonly server: TlsServer; readonly ca: string } | undefined;
  before(async () => {
    const authority = await createCertificateAuthority('transport test CA');
    const { keyPem, pem } = await authority.issue({ commonName: 'x', hosts, key: await keyFor('servers') });
    running = { server: await startTlsServer({ key: keyPem, cert: pem }), ca: authority.pem };
  });
  after(() => running?.server.close());
  const inUse = (): NonNullable<typeof running> => {
    if (!running) throw new Error('the server runs only within tests');
    return running;
  };
  return {
    get server() {
      return inUse().server;
    },
    get ca() {
      return inUse().ca;
    },
  };
}
