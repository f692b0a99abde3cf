import { TLSSocket } from 'node:tls';

/** What the log says of an encrypted connection. */
export interface TlsFacts {
  readonly protocol: string;
  readonly cipher: string;
  /** Common name of the peer's certificate. */
  readonly subject: string;
  readonly validTo: string;
}

/** The facts of `socket`; undefined where it is not encrypted. */
export function tlsFacts(socket: object): TlsFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { subject, valid_to: validTo } = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol() ?? 'TLS',
    cipher: socket.getCipher().name,
    subject: String(subject.CN),
    validTo,
  };
}
