import type { Socket } from 'node:net';
import { within, type Endpoint, type Wait } from './transport/stage.js';
import { startTls } from './transport/tls.js';
import { nameOfWay, openWay } from './transport/way.js';

export { connectionLost } from './transport/failures.js';
export { within, type Endpoint, type Wait } from './transport/stage.js';
export { isVerified, startTls } from './transport/tls.js';
export { nameOfWay } from './transport/way.js';

/**
 * A stream to `endpoint`, by the way that it names: encrypted, its peer verified by certificate
 * chain and host name or by its very certificate, unless the mode of its TLS settings says less.
 *
 * @throws ConnectorError of type POSTGRESQL:CANNOT_REACH or POSTGRESQL:TLS, PROTOCOL_VIOLATION; of
 *   type POSTGRESQL:SETTINGS for a certificate or key that cannot be used
 */
export async function openTransport(endpoint: Endpoint, wait: Wait): Promise<Socket> {
  const socket = await openTcp(endpoint, wait);
  return endpoint.tls.mode === 'disable' ? socket : startTls(socket, endpoint, wait);
}

/**
 * The bare connection, all addresses of the name tried: TCP, or the stream that a proxy or an SSH
 * server made.
 */
export function openTcp(endpoint: Endpoint, wait: Wait): Promise<Socket> {
  const { way } = endpoint;
  const through = nameOfWay(way);
  const stage = `the TCP connection${through === undefined ? '' : ` through ${through}`}`;
  return within(wait, endpoint, stage, (settle) => {
    const { signal } = settle;
    openWay(endpoint, way, { clock: wait.clock, signal }).then(
      (socket) => {
        settle.resolve(socket);
      },
      (error: unknown) => {
        settle.reject(error as Error);
      },
    );
  });
}
