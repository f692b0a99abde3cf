import { Socket } from 'node:net';
import { checkServerIdentity, connect, TLSSocket, type PeerCertificate, type SecureContext } from 'node:tls';
import { nameOf, serverNameOf } from '../../auth/proxy.js';
import type { Clock } from '../../clock.js';
import { ConnectorError, isConnectorError } from '../../errors.js';
import type { TlsSettings } from '../../settings/settings.js';
import { NoTls, tlsError } from './failures.js';
import { within, type Endpoint, type Settle, type Wait } from './stage.js';
import { showAgain, type Ticket, type Tickets } from './tickets.js';
import { requestTls } from './tls-request.js';
import { trustOf, type Trust } from './trust.js';
import { openTcp } from './way.js';

/** Whether the peer of `socket` has proved to be the server that `tls` asks for. */
export function isVerified(socket: Socket, { mode, pins }: TlsSettings): boolean {
  if (!(socket instanceof TLSSocket) || mode === 'disable') return false;
  if (pins) return pins.includes(thumbprintOf(socket));
  return mode === 'verify-full' && socket.authorized;
}

/**
 * TLS on an open connection: after PostgreSQL's SSLRequest (documentation, section 54.2.11), or at
 * once. Destroys `socket` on failure. Where the server fails over a session that it was to resume,
 * a second connection, made by the same way within the same wait, begins anew.
 *
 * @throws ConnectorError of type POSTGRESQL:TLS; CONNECTION_LOST; PROTOCOL_VIOLATION; of type
 *   POSTGRESQL:SETTINGS for a client certificate that cannot be used; where there is a second
 *   connection, also what {@link openTcp} throws
 */
export async function startTls(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<TLSSocket> {
  const trust = await orDestroy(socket, trustFor(endpoint, wait));
  await agree(socket, endpoint, wait);
  const ticket = ticketFor(endpoint, trust.tickets, wait.clock);
  try {
    return await orDestroy(socket, shakeHands(socket, endpoint, { ...trust, ticket }, wait));
  } catch (error) {
    if (!ticket || !isOfTheHandshake(error)) throw error;
  }
  const again = await openTcp(endpoint, wait);
  await agree(again, endpoint, wait);
  const offer = { ...trust, ticket: undefined };
  const stream = await orDestroy(again, shakeHands(again, endpoint, offer, wait));
  trust.tickets.renounce(nameOf(endpoint), wait.clock.steadyMs());
  return stream;
}

async function orDestroy<T>(socket: Socket, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function agree(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<void> {
  if (endpoint.tls.negotiation === 'postgres') await orDestroy(socket, requestTls(socket, endpoint, wait));
}

function trustFor(endpoint: Endpoint, wait: Wait): Promise<Trust> {
  return within<Trust>(wait, endpoint, 'the TLS handshake', (settle) => {
    trustOf(endpoint.tls).then(
      (made) => {
        settle.resolve(made);
      },
      (error: unknown) => {
        settle.reject(error as Error);
      },
    );
  }).catch((error: unknown) => {
    throw wait.signal?.aborted === true ? error : tlsError(error, endpoint);
  });
}

// A server that asks for certificates may break a resumption off (OpenSSL does without a session id
// context); with a certificate of ours that is the rule. An expired one was renewed, most likely: it is to be shown.
function ticketFor(endpoint: Endpoint, tickets: Tickets, clock: Clock): Ticket | undefined {
  if (!resumes(endpoint.tls)) return undefined;
  const ticket = tickets.of(nameOf(endpoint), clock.steadyMs());
  return ticket && !timeProblem(ticket.shown.certificate, clock.wallMs()) ? ticket : undefined;
}

function resumes({ clientCertificate }: TlsSettings): boolean {
  return clientCertificate === undefined;
}

/** Whether the handshake itself failed, and not what the server showed in it. */
function isOfTheHandshake(error: unknown): boolean {
  return (
    isConnectorError(error) && ['TLS_FAILED', 'DIRECT_TLS_REFUSED', 'CONNECTION_LOST'].includes(error.code)
  );
}

/** What one connection is encrypted with. */
interface Offer extends Trust {
  readonly ticket: Ticket | undefined;
}

/** Smallest group of a Diffie-Hellman exchange, in bits (RFC 9325 section 4.1). */
const MIN_DH_BITS = 2048;

async function shakeHands(
  socket: Socket,
  endpoint: Endpoint,
  { context, tickets, ticket }: Offer,
  wait: Wait,
): Promise<TLSSocket> {
  const server = nameOf(endpoint);
  const stream = encrypt(socket, endpoint, context, ticket?.session);
  // In TLS 1.2 a session comes before its server is verified.
  let early: Buffer | undefined;
  stream.once('session', (session) => (early = session));
  stream.once('secureConnect', () => {
    if (ticket && stream.isSessionReused()) showAgain(stream, ticket.shown);
  });
  try {
    await within<undefined>(wait, endpoint, 'the TLS handshake', (settle) => {
      awaitHandshake(stream, endpoint, wait, settle);
    });
  } catch (error) {
    // Whatever went wrong, the next attempt begins anew.
    tickets.forget(server);
    throw error;
  }
  const shown =
    ticket && stream.isSessionReused()
      ? ticket.shown
      : { certificate: stream.getPeerCertificate(), atMs: wait.clock.steadyMs() };
  if (resumes(endpoint.tls)) tickets.collect(server, stream, shown, early);
  return stream;
}

function encrypt(
  socket: Socket,
  { host, tls }: Endpoint,
  secureContext: SecureContext,
  session: Buffer | undefined,
): TLSSocket {
  // Everything is said explicitly, so that NODE_TLS_REJECT_UNAUTHORIZED=0 weakens nothing.
  const stream = connect({
    socket,
    host,
    ...serverNameOf(host),
    ...(session && { session }),
    ...(tls.mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    secureContext,
    rejectUnauthorized: isVerifiedByChain(tls),
    minVersion: 'TLSv1.2',
    minDHSize: MIN_DH_BITS,
    ALPNProtocols: ['postgresql'],
  });
  // What happens to it before a session listens interests nobody.
  stream.on('error', () => undefined);
  stream.once('close', () => socket.destroy());
  if (!(socket instanceof Socket)) keepWith(stream, socket);
  return stream;
}

// Node.js passes neither on where the encrypted stream is no socket of its own.
function keepWith(stream: TLSSocket, carrier: Pick<Socket, 'ref' | 'unref'>): void {
  Object.assign(stream, {
    ref: () => {
      carrier.ref();
      return stream;
    },
    unref: () => {
      carrier.unref();
      return stream;
    },
  });
}

function awaitHandshake(stream: TLSSocket, endpoint: Endpoint, wait: Wait, settle: Settle<undefined>): void {
  const onError = (error: Error): void => {
    settle.reject(tlsError(error, endpoint));
  };
  const onClose = (): void => {
    onError(new NoTls('closed during the TLS handshake'));
  };
  settle.onAbort(() => stream.destroy());
  stream.once('error', onError).once('close', onClose);
  stream.once('secureConnect', () => {
    stream.off('error', onError).off('close', onClose);
    const problem = handshakeProblem(stream, endpoint, wait.clock.wallMs());
    if (problem) settle.reject(problem);
    else settle.resolve(undefined);
  });
}

function isVerifiedByChain({ mode, pins }: TlsSettings): boolean {
  return mode !== 'require' && !pins;
}

function handshakeProblem(stream: TLSSocket, endpoint: Endpoint, nowMs: number): ConnectorError | undefined {
  const problem = peerProblem(stream, endpoint, nowMs);
  if (problem) return tlsError(problem, endpoint);
  // A server that took direct TLS for another protocol would not have chosen ours (CVE-2021-23214 and its kin).
  if (endpoint.tls.negotiation === 'postgres' || stream.alpnProtocol === 'postgresql') return undefined;
  return tlsError(new NoTls('it did not choose the protocol "postgresql"'), endpoint);
}

function peerProblem(stream: TLSSocket, { host, port, tls }: Endpoint, nowMs: number): Error | undefined {
  const { mode, pins } = tls;
  if (pins) {
    const thumbprint = thumbprintOf(stream);
    if (!pins.includes(thumbprint))
      return new ConnectorError('SERVER_CERTIFICATE_NOT_PINNED', { host, port, thumbprint });
    return timeProblem(stream.getPeerCertificate(), nowMs);
  }
  if (mode === 'require') return undefined;
  if (!stream.authorized) return stream.authorizationError;
  if (!stream.isSessionReused()) return undefined;
  // Node.js looks at no name when a session is resumed; at the time we did before the session was offered.
  return mode === 'verify-full' ? checkServerIdentity(host, stream.getPeerCertificate()) : undefined;
}

// Written this way round, a date that cannot be read is refused as well.
function timeProblem({ valid_from: from, valid_to: to }: PeerCertificate, nowMs: number): Error | undefined {
  if (!(Date.parse(from) <= nowMs)) return coded('CERT_NOT_YET_VALID', `not valid before ${from}`);
  return Date.parse(to) >= nowMs ? undefined : coded('CERT_HAS_EXPIRED', `expired on ${to}`);
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

// After a call of getPeerX509Certificate(), getPeerCertificate() gives nothing any more (Node.js 20), so only one of the two is used.
/** SHA-256 of the certificate of the peer, 64 hexadecimal digits in capitals; '' where it has none. */
function thumbprintOf(stream: TLSSocket): string {
  const certificate = stream.getPeerCertificate();
  return 'fingerprint256' in certificate ? certificate.fingerprint256.replaceAll(':', '') : '';
}
