import type pg from 'pg';
import { openTransport, type Endpoint, type Wait } from './transport.js';

const CANCEL_REQUEST_CODE = 80_877_102;

/**
 * Asks the server to stop what the session of `client` runs (PostgreSQL documentation, section
 * 54.2.8); it never says whether it did. The key that cancels is as good as a password for this
 * session, so it travels over verified TLS too.
 */
export async function cancelBackend(client: pg.Client, endpoint: Endpoint, wait: Wait): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = await openTransport(endpoint, wait);
  socket.on('error', () => undefined);
  socket.end(request);
}
