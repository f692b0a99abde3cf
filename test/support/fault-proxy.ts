import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type NetConnectOpts, type Socket } from 'node:net';
import { delay, systemClock, type Clock } from '#src/clock.js';
import { reset } from '#sandbox/reset.js';

/** What ails one direction of a connection; each is absent where it does not apply. */
export interface Toxics {
  /** How long each piece takes to arrive, and by how much more at most. */
  latencyMs?: number;
  jitterMs?: number;
  bytesPerSecond?: number;
  /** Longest segment in bytes. */
  sliceBytes?: number;
  /** After exactly so many bytes of a connection in this direction it breaks; the next one does not. */
  breakAfter?: { readonly bytes: number; readonly how: Break };
}

/**
 * How a connection breaks: both ends are closed in good order, both are reset, or nothing is forwarded
 * any more in either direction while both stay open, as when a device in between forgets it.
 */
export type Break = 'close' | 'reset' | 'silence';

/** A proxy on loopback between a client and `target` that does harm. It does none until told. */
export interface FaultProxy {
  readonly port: number;
  /** Toxics of connections to come and of those that are there, towards the server and towards the client. */
  readonly up: Toxics;
  readonly down: Toxics;
  /** Bytes forwarded towards the server and towards the client, one entry per connection. */
  readonly forwarded: readonly { readonly up: number; readonly down: number }[];
  /** How many connections it has broken. */
  readonly broken: number;
  /** Connections that are open, silent ones included. */
  readonly open: number;
  /** Breaks the connections that are there now. */
  breakAll(how: Break): void;
  /** Takes away all toxics. */
  heal(): void;
  /** Whether new connections are refused. */
  refuse(isRefusing: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy to `target` on a free port of 127.0.0.1. It waits by `clock`, whose chance is that of the jitter. */
export async function startFaultProxy(
  target: NetConnectOpts,
  clock: Clock = systemClock,
): Promise<FaultProxy> {
  const up: Toxics = {};
  const down: Toxics = {};
  const forwarded: { up: number; down: number }[] = [];
  const links = new Set<Link>();
  let broken = 0;
  const server = createServer({ noDelay: true }, (client) => {
    const link = new Link(client, connect(target).setNoDelay());
    const count = { up: 0, down: 0 };
    forwarded.push(count);
    links.add(link);
    client.on('close', () => links.delete(link));
    link.broken.addEventListener('abort', () => (broken += 1));
    const { client: near, upstream: far } = link;
    void forward(near, far, { toxics: up, link, clock, count: (bytes) => (count.up += bytes) });
    void forward(far, near, { toxics: down, link, clock, count: (bytes) => (count.down += bytes) });
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const heal = (): void => {
    for (const toxics of [up, down])
      for (const name of Object.keys(toxics)) Reflect.deleteProperty(toxics, name);
  };
  return {
    port,
    up,
    down,
    forwarded,
    get broken() {
      return broken;
    },
    get open() {
      return links.size;
    },
    breakAll(how) {
      for (const link of links) link.break(how);
    },
    heal,
    async refuse(isRefusing) {
      if (isRefusing === !server.listening) return;
      if (isRefusing) server.close();
      else await listen(port);
    },
    close() {
      for (const link of links) link.break('reset');
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The two sockets of one connection through the proxy. */
class Link {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Aborted when nothing is forwarded any more. */
  readonly #broken = new AbortController();

  constructor(client: Socket, upstream: Socket) {
    this.client = client;
    this.upstream = upstream;
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    // Who is reset on one side is reset on the other.
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one
        .on('error', () => {
          reset(other);
        })
        .on('close', () => other.destroySoon());
  }

  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  break(how: Break): void {
    this.#broken.abort();
    if (how === 'silence') return;
    for (const socket of [this.client, this.upstream]) {
      if (how === 'reset') reset(socket);
      else socket.destroySoon();
    }
  }
}

interface Way {
  readonly toxics: Toxics;
  readonly link: Link;
  readonly clock: Clock;
  readonly count: (bytes: number) => void;
}

/** Carries bytes one way until either end has ended or the link is broken; then reads on and drops what comes. */
async function forward(from: Socket, to: Socket, { toxics, link, clock, count }: Way): Promise<void> {
  let sent = 0;
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (const piece of pieces(chunk, toxics)) {
        const ms = waitMs(piece.length, toxics, clock);
        if (ms > 0) await delay(clock, ms, link.broken);
        if (link.broken.aborted) break;
        const { breakAfter } = toxics;
        const rest = breakAfter ? breakAfter.bytes - sent : Infinity;
        const passed = piece.subarray(0, Math.max(0, rest));
        sent += passed.length;
        count(passed.length);
        if (passed.length > 0 && !to.write(passed))
          await Promise.race([once(to, 'drain'), once(to, 'close')]);
        if (breakAfter && sent >= breakAfter.bytes) {
          delete toxics.breakAfter;
          link.break(breakAfter.how);
        }
      }
    }
    if (!link.broken.aborted) to.end();
  } catch {
    // The socket that was read broke: its listener has told the other.
  }
}

function* pieces(chunk: Buffer, { sliceBytes = chunk.length }: Toxics): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += sliceBytes) yield chunk.subarray(at, at + sliceBytes);
}

function waitMs(
  bytes: number,
  { latencyMs = 0, jitterMs = 0, bytesPerSecond = Infinity }: Toxics,
  clock: Clock,
): number {
  return latencyMs + jitterMs * clock.random() + (1_000 * bytes) / bytesPerSecond;
}
