import type { PeerCertificate, TLSSocket } from 'node:tls';

/** How long sessions are resumed until the server has to show its certificate again. */
const LONGEST_MS = 3_600_000;

const MOST_SERVERS = 32;

/** A TLS session to resume, with what its server showed when it was verified. */
export interface Ticket {
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
  /** Servers that broke a resumption off, with the time on the steady clock. */
  readonly #unresumable = new Map<string, number>();

  /**
   * The session of `server` to resume, if its certificate was shown within the last hour and the
   * server has broken no resumption off within it.
   */
  of(server: string, nowMs: number): Ticket | undefined {
    const brokenOffAtMs = this.#unresumable.get(server);
    if (brokenOffAtMs !== undefined && nowMs - brokenOffAtMs < LONGEST_MS) return undefined;
    const ticket = this.#newest.get(server);
    if (ticket && nowMs - ticket.shown.atMs < LONGEST_MS) return ticket;
    this.forget(server);
    return undefined;
  }

  forget(server: string): void {
    this.#newest.delete(server);
  }

  /** Offers `server` no session for the next hour: it goes on with none, and fails over them. */
  renounce(server: string, nowMs: number): void {
    this.forget(server);
    renew(this.#unresumable, server, nowMs);
  }

  /** Keeps from now on the sessions that `server` gives over `stream`; `session` came before it was verified. */
  collect(server: string, stream: TLSSocket, shown: Shown, session: Buffer | undefined): void {
    const keep = (newest: Buffer): void => {
      renew(this.#newest, server, { session: newest, shown });
    };
    if (session) keep(session);
    stream.on('session', keep);
  }
}

/** Sets the entry of `server` as the newest one, in place of the oldest where there are too many. */
function renew<T>(entries: Map<string, T>, server: string, value: T): void {
  entries.delete(server);
  entries.set(server, value);
  const [oldest] = entries.keys();
  if (entries.size > MOST_SERVERS && oldest !== undefined) entries.delete(oldest);
}

/** Lets `stream`, which resumed a session, tell the certificate that was shown for it: Node.js keeps none. */
export function showAgain(stream: TLSSocket, { certificate }: Shown): void {
  Object.assign(stream, { getPeerCertificate: () => certificate });
}
