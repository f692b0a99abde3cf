import type { Socket } from 'node:net';
import { ConnectorError } from '../../errors.js';
import { connectionLost } from './failures.js';
import { within, type Endpoint, type Wait } from './stage.js';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Asks the server at the other end of `socket` for TLS (PostgreSQL documentation, section 54.2.11).
 *
 * @throws ConnectorError SERVER_WITHOUT_TLS, PROTOCOL_VIOLATION, CONNECTION_LOST, CONNECT_TIMEOUT; the reason of the signal
 */
export function requestTls(socket: Socket, endpoint: Endpoint, wait: Wait): Promise<void> {
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
