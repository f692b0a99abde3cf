import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { Duplex } from 'node:stream';
import { overlay } from '../reset.js';
import { ProtocolViolation, readBytes, readStartupPacket, requestCodes, type StartupPacket } from './wire.js';

/** The connection once TLS is settled, with the packet that starts a session or asks to cancel one. */
export interface Negotiated {
  readonly stream: Duplex;
  readonly encrypted: boolean;
  readonly packet: StartupPacket;
}

/** How the gate does TLS at this moment. */
export interface Encryption {
  readonly context: tls.SecureContext;
  /** Answers N to SSLRequest, and nothing to direct TLS. */
  readonly plaintextOnly: boolean;
}

/** First byte of a TLS handshake record: the client starts TLS without asking. */
const tlsHandshake = 0x16;

/**
 * Goes through everything that may precede a startup packet: SSLRequest, direct TLS with ALPN `postgresql`
 * (https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL) and GSSENCRequest.
 */
export const negotiate = async (
  socket: Socket,
  { context, plaintextOnly }: Encryption,
): Promise<Negotiated> => {
  let stream: Duplex = socket;
  let encrypted = false;
  if (await startsWithTls(socket)) {
    if (plaintextOnly) throw new ProtocolViolation('direct TLS without TLS');
    const secured = await secure(socket, context);
    if (secured.alpnProtocol !== 'postgresql') throw new ProtocolViolation('direct TLS without ALPN');
    stream = secured;
    encrypted = true;
  }
  for (let refused = 0; refused < 4;) {
    const packet = await readStartupPacket(stream);
    if (packet.code === requestCodes.ssl && !encrypted && !plaintextOnly) {
      // Bytes sent along with the request would be taken for encrypted ones (CVE-2021-23214).
      if (socket.readableLength > 0)
        throw new ProtocolViolation('received unencrypted data after SSL request');
      socket.write('S');
      stream = await secure(socket, context);
      encrypted = true;
    } else if (packet.code === requestCodes.ssl || packet.code === requestCodes.gssEncryption) {
      stream.write('N');
      refused += 1;
    } else {
      return { stream, encrypted, packet };
    }
  }
  throw new ProtocolViolation('too many requests for encryption');
};

const startsWithTls = async (socket: Socket): Promise<boolean> => {
  const first = await readBytes(socket, 1);
  socket.unshift(first);
  return first[0] === tlsHandshake;
};

/** The server's side of a TLS connection over the socket, once the handshake is done. */
const secure = (socket: Socket, secureContext: tls.SecureContext): Promise<tls.TLSSocket> =>
  new Promise((resolve, reject) => {
    const secured = new tls.TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['postgresql'],
    });
    overlay(socket, secured);
    secured.once('secure', () => {
      secured.off('error', reject).on('error', () => undefined);
      resolve(secured);
    });
    secured.once('error', reject);
    secured.once('close', () => reject(new Error('the connection ended within the TLS handshake')));
  });
