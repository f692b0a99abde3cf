import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { deadline, type Budget, type Clock } from '../clock.js';
import { ConnectorError, describe, isConnectorError, type ErrorCode } from '../errors.js';
import type { TlsSettings } from '../settings/settings.js';

/** A PostgreSQL server and what its certificate is checked against. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
}

/** How long to wait for a connection, all its stages together, and who may give up earlier. */
export interface Wait {
  readonly clock: Clock;
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A stream to `endpoint`: encrypted, its peer verified by certificate chain and host name, unless
 * the mode of its TLS settings says less.
 *
 * @throws ConnectorError of type POSTGRESQL:CANNOT_REACH or POSTGRESQL:TLS, or PROTOCOL_VIOLATION
 */
export async function openTransport(endpoint: Endpoint, wait: Wait): Promise<Socket> {
  const socket = await openTcp(endpoint, wait);
  return endpoint.tls.mode === 'disable' ? socket : startTls(socket, endpoint, wait);
}

/** Whether the peer of `socket` has proved to be the server that `tls` asks for. */
export function isVerified(socket: Socket, { mode }: TlsSettings): boolean {
  return mode === 'verify-full' && 'authorized' in socket && socket.authorized === true;
}

/** The bare TCP connection; all addresses of the name are tried. */
export function openTcp(endpoint: Endpoint, wait: Wait): Promise<Socket> {
  const { host, port } = endpoint;
  return within(wait, endpoint, 'the TCP connection', (settle) => {
    const socket = connectSocket({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    });
    settle.onAbort(() => socket.destroy());
    socket.once('error', (error) => {
      settle.reject(tcpError(error, endpoint));
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      settle.resolve(socket);
    });
  });
}

/**
 * TLS on an open connection: after PostgreSQL's SSLRequest (documentation, section 54.2.11), or at
 * once. Destroys `socket` on failure.
 */
export async function startTls(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<TLSSocket> {
  try {
    if (endpoint.tls.negotiation === 'postgres') await requestTls(socket, endpoint, wait);
    return await shakeHands(socket, endpoint, wait);
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
        settle.reject(lost(error, endpoint));
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

// More than the one byte would be text stuffed in before encryption begins (CVE-2021-23222).
function refusalOf(answer: Buffer, endpoint: Endpoint): ConnectorError | undefined {
  const { host, port } = endpoint;
  const first = answer.toString('latin1', 0, 1);
  if (first === 'S' && answer.length === 1) return undefined;
  if (first === 'N') return new ConnectorError('SERVER_WITHOUT_TLS', { host, port });
  const problem = first === 'E' ? 'an error in answer to the TLS request' : 'no answer to the TLS request';
  return new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem });
}

function shakeHands(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<TLSSocket> {
  const { host } = endpoint;
  return within(wait, endpoint, 'the TLS handshake', (settle) => {
    const onError = (error: Error): void => {
      settle.reject(tlsError(error, endpoint));
    };
    const onClose = (): void => {
      onError(new Error('closed during the TLS handshake'));
    };
    // Everything is said explicitly, so that NODE_TLS_REJECT_UNAUTHORIZED=0 weakens nothing.
    const stream = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ...verification(endpoint.tls),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['postgresql'],
    });
    settle.onAbort(() => stream.destroy());
    stream.once('error', onError).once('close', onClose);
    stream.once('secureConnect', () => {
      stream.off('error', onError).off('close', onClose);
      const problem = handshakeProblem(stream, endpoint);
      if (problem) settle.reject(problem);
      else settle.resolve(stream);
    });
  });
}

function verification({ mode, ca }: TlsSettings): ConnectionOptions {
  return {
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: mode !== 'require',
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  };
}

// A server that took direct TLS for another protocol would not have chosen ours (CVE-2021-23214 and its kin).
function handshakeProblem(stream: TLSSocket, endpoint: Endpoint): ConnectorError | undefined {
  const { mode, negotiation } = endpoint.tls;
  if (mode !== 'require' && !stream.authorized) return tlsError(stream.authorizationError, endpoint);
  if (negotiation === 'postgres' || stream.alpnProtocol === 'postgresql') return undefined;
  return tlsError(new Error('it did not choose the protocol "postgresql"'), endpoint);
}

/** How a stage tells its outcome. */
export interface Settle<T> {
  resolve(value: T): void;
  reject(error: Error): void;
  /** What to undo when the wait ends by its limit or by its caller. */
  onAbort(undo: () => void): void;
}

/**
 * The outcome of one stage of a connection. When the budget is used up or the caller leaves, what
 * the stage has begun is undone.
 *
 * @throws ConnectorError CONNECT_TIMEOUT naming the stage, the reason of the signal, or what the
 *   stage was rejected with
 */
export async function within<T>(
  wait: Wait,
  endpoint: Endpoint,
  stage: string,
  start: (settle: Settle<T>) => void,
): Promise<T> {
  const { host, port } = endpoint;
  const { clock } = wait;
  const { totalMs: timeoutMs } = wait.budget;
  const timeout = (): Error => new ConnectorError('CONNECT_TIMEOUT', { host, port, stage, timeoutMs });
  const limit = deadline(clock, wait.budget.remainingMs(), timeout, wait.signal);
  try {
    limit.signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      start({
        resolve,
        reject,
        onAbort(undo) {
          limit.signal.addEventListener('abort', () => {
            undo();
            reject(limit.signal.reason as Error);
          });
        },
      });
    });
  } finally {
    limit.dispose();
  }
}

function tcpError(error: Error, { host, port }: Endpoint): ConnectorError {
  // Several addresses tried: the errors of all stand in an AggregateError without a message.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const problem = describe(first);
  const code = (first as NodeJS.ErrnoException).code;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new ConnectorError('SERVER_NAME_UNKNOWN', { host, problem: code }, { cause: first });
  }
  return new ConnectorError('SERVER_UNREACHABLE', { host, port, problem }, { cause: first });
}

function lost(error: Error, { host, port }: Endpoint): ConnectorError {
  return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
}

/** Verification failures of Node.js and OpenSSL, by code; anything else is TLS_FAILED. */
const TLS_CODES: Readonly<Record<string, Extract<ErrorCode, `SERVER_${string}`>>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'SERVER_HOST_NAME_MISMATCH',
  CERT_HAS_EXPIRED: 'SERVER_CERTIFICATE_EXPIRED',
  CERT_NOT_YET_VALID: 'SERVER_CERTIFICATE_EXPIRED',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'SERVER_CERTIFICATE_UNTRUSTED',
  SELF_SIGNED_CERT_IN_CHAIN: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'SERVER_CERTIFICATE_UNTRUSTED',
  CERT_UNTRUSTED: 'SERVER_CERTIFICATE_UNTRUSTED',
  INVALID_CA: 'SERVER_CERTIFICATE_UNTRUSTED',
};

function tlsError(error: Error, { host, port }: Endpoint): ConnectorError {
  if (isConnectorError(error)) return error;
  const code = TLS_CODES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'TLS_FAILED';
  const details = { host, port, problem: describe(error) };
  return new ConnectorError(code as 'TLS_FAILED', details, { cause: error });
}
