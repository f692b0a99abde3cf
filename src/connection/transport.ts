import type { Socket } from 'node:net';
import type { Endpoint, Wait } from './transport/stage.js';
import { startTls } from './transport/tls.js';
import { openTcp } from './transport/way.js';

export { connectionLost } from './transport/failures.js';
export { within, type Endpoint, type Wait } from './transport/stage.js';
export { isVerified, startTls } from './transport/tls.js';
export { nameOfWay, openTcp } from './transport/way.js';

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
