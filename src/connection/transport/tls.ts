import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, TLSSocket, type PeerCertificate, type SecureContext } from 'node:tls';
import { nameOf } from '../../auth/proxy.js';
import { ConnectorError } from '../../errors.js';
import type { TlsSettings } from '../../settings/settings.js';
import { connectionLost, NoTls, tlsError } from './failures.js';
import { within, type Endpoint, type Settle, type Wait } from './stage.js';
import { showAgain } from './tickets.js';
import { trustOf, type Trust } from './trust.js';

/** Whether the peer of `socket` has proved to be the server that `tls` asks for. */
export function isVerified(socket: Socket, { mode, pins }: TlsSettings): boolean {
  if (!(socket instanceof TLSSocket) || mode === 'disable') return false;
  if (pins) return pins.includes(thumbprintOf(socket));
  return mode === 'verify-full' && socket.authorized;
}

/**
 * TLS on an open connection: after PostgreSQL's SSLRequest (documentation, section 54.2.11), or at
 * once. Destroys `socket` on failure.
 *
 * @throws ConnectorError of type POSTGRESQL:TLS; PROTOCOL_VIOLATION; of type POSTGRESQL:SETTINGS for a
 *   client certificate that cannot be used
 */
export async function startTls(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<TLSSocket> {
  try {
    const trust = await within<Trust>(wait, endpoint, 'the TLS handshake', (settle) => {
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
    if (endpoint.tls.negotiation === 'postgres') await requestTls(socket, endpoint, wait);
    return await shakeHands(socket, endpoint, trust, wait);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function requestTls(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<void> {
  return within(wait, endpoint, 'the TLS request', (settle) => {
    const finish = (act: () => void): void => {
      socket.pause();
      socket.off('data', onData).off('error', onError).off('close', onClose);
      act();
    };
    const onData = (answer: Buffer): void => {
      finish(() => {
        const error = refusalOf(answer, endpoint);
        if (error) settle.reject(error);
        else settle.resolve();
      });
    };
    const onError = (error: Error): void => {
      finish(() => {
        settle.reject(connectionLost(error, endpoint));
      });
    };
    const onClose = (): void => {
      onError(new Error('closed during the TLS request'));
    };
    settle.onAbort(() => {
      finish(() => undefined);
    });
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(SSL_REQUEST);
  });
}

// More than the one byte would be text stuffed in before encryption begins (CVE-2021-23222). The text of
// an error is not shown: anybody on the way could have written it (CVE-2024-10977).
function refusalOf(answer: Buffer, endpoint: Endpoint): ConnectorError | undefined {
  const { host, port } = endpoint;
  const first = answer.toString('latin1', 0, 1);
  if (first === 'S' && answer.length === 1) return undefined;
  if (first === 'N') return new ConnectorError('SERVER_WITHOUT_TLS', { host, port });
  const problem = first === 'E' ? 'an error in answer to the TLS request' : 'no answer to the TLS request';
  return new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem });
}

/** Smallest group of a Diffie-Hellman exchange, in bits (RFC 9325 section 4.1). */
const MIN_DH_BITS = 2048;

async function shakeHands(
  socket: Socket,
  endpoint: Endpoint,
  { context, tickets }: Trust,
  wait: Wait,
): Promise<TLSSocket> {
  const server = nameOf(endpoint);
  const ticket = resumes(endpoint.tls) ? tickets.of(server, wait.clock.steadyMs()) : undefined;
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

// A server that asks for certificates may break a resumption off (OpenSSL does without a session id context).
function resumes({ clientCertificate }: TlsSettings): boolean {
  return clientCertificate === undefined;
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
    ...(isIP(host) === 0 && { servername: host }),
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
  return stream;
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
  // Node.js looks at neither name nor time when a session is resumed.
  const certificate = stream.getPeerCertificate();
  const named = mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined;
  return named ?? timeProblem(certificate, nowMs);
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
