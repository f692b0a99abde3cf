import type { PeerCertificate, TLSSocket } from 'node:tls';

/** How long sessions are resumed until the server has to show its certificate again. */
const LONGEST_MS = 3_600_000;

const MOST_SERVERS = 32;

/** A TLS session to resume, with what its server showed when it was verified. */
interface Ticket {
  readonly session: Buffer;
  readonly shown: Shown;
}

interface Shown {
  readonly certificate: PeerCertificate;
  /** On the steady clock. */
  readonly atMs: number;
}

/**
 * The newest TLS session of each server (RFC 8446 section 4.6.1, RFC 5077). They belong to the
 * settings that verified the server and to the client certificate that was presented: none is ever
 * resumed by other rules.
 */
export class Tickets {
  readonly #newest = new Map<string, Ticket>();

  /** The session of `server` to resume, if its certificate was shown within the last hour. */
  of(server: string, nowMs: number): Ticket | undefined {
    const ticket = this.#newest.get(server);
    if (ticket && nowMs - ticket.shown.atMs < LONGEST_MS) return ticket;
    this.forget(server);
    return undefined;
  }

  forget(server: string): void {
    this.#newest.delete(server);
  }

  /** Keeps from now on the sessions that `server` gives over `stream`; `session` came before it was verified. */
  collect(server: string, stream: TLSSocket, shown: Shown, session: Buffer | undefined): void {
    const keep = (newest: Buffer): void => {
      this.#newest.delete(server);
      this.#newest.set(server, { session: newest, shown });
      const [oldest] = this.#newest.keys();
      if (this.#newest.size > MOST_SERVERS && oldest !== undefined) this.forget(oldest);
    };
    if (session) keep(session);
    stream.on('session', keep);
  }
}

/** Lets `stream`, which resumed a session, tell the certificate that was shown for it: Node.js keeps none. */
export function showAgain(stream: TLSSocket, { certificate }: Shown): void {
  Object.assign(stream, { getPeerCertificate: () => certificate });
}
