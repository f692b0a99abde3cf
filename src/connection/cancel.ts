import type pg from 'pg';
import type { Socket } from 'node:net';
import { delay, startBudget, type Clock } from '../clock.js';
import type { Guard } from './guard.js';
import { openTransport, within, type Endpoint, type Wait } from './transport.js';

const CANCEL_REQUEST_CODE = 80_877_102;

/** How long a statement that is asked to stop may take to end. */
const STOP_GRACE_MS = 5_000;
/** A request that came before the statement it was meant for has no effect: after this time another one follows. */
const ASK_AGAIN_MS = 100;

/** Parts of the driver that its types leave out. */
interface Driver {
  readonly processID: number;
  readonly secretKey: number;
}

/** The session in which something is to be stopped. */
export interface Running {
  readonly guard: Guard;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
}

/**
 * Stops all that `client` has sent, and waits until the session is idle for certain: the server said
 * ReadyForQuery, and took the cancel request or will never see it. Only then can a late cancel not
 * hit the next statement.
 *
 * @returns false when that did not come about within five seconds; the session is then good for
 *   nothing. Never rejects.
 */
export async function stopStatement(client: pg.Client, running: Running): Promise<boolean> {
  const { guard, clock } = running;
  let giveUp: () => void = () => undefined;
  let succeed: () => void = () => undefined;
  const ended = new Promise<boolean>((resolve) => {
    giveUp = (): void => {
      resolve(false);
    };
    succeed = (): void => {
      resolve(true);
    };
  });
  guard.once('close', giveUp);
  if (guard.isBusy) guard.once('idle', succeed);
  else succeed();
  const stopTimer = clock.after(STOP_GRACE_MS, giveUp);
  const wait: Wait = { clock, budget: startBudget(clock, STOP_GRACE_MS) };
  const over = new AbortController();
  try {
    for (;;) {
      if (!(await cancelBackend(client, running, wait).catch(() => false))) return false;
      const pause = delay(clock, ASK_AGAIN_MS, over.signal);
      const isIdle = await Promise.race([ended, pause.then(() => undefined)]);
      if (isIdle !== undefined) return isIdle;
    }
  } finally {
    over.abort();
    stopTimer();
    guard.off('close', giveUp);
    guard.off('idle', succeed);
  }
}

/**
 * Asks the server to stop what the session of `client` runs (PostgreSQL documentation, section
 * 54.2.8), unless that has ended by the time the way to the server is open. The key that cancels is
 * as good as a password for this session, so it travels over verified TLS too.
 *
 * @returns whether no such request is under way any more: the server has closed the connection by
 *   which it came, which it does once the signal is given, or it was never sent
 * @throws ConnectorError of the transport
 */
async function cancelBackend(client: pg.Client, { guard, endpoint }: Running, wait: Wait): Promise<boolean> {
  const socket = await openTransport(endpoint, wait).catch((error: unknown) => {
    if (guard.isBusy) throw error;
    return undefined;
  });
  if (!socket) return true;
  try {
    return !guard.isBusy || (await isTaken(socket, cancelRequest(client), endpoint, wait));
  } finally {
    socket.destroy();
  }
}

function isTaken(socket: Socket, request: Buffer, endpoint: Endpoint, wait: Wait): Promise<boolean> {
  return within<boolean>(wait, endpoint, 'the cancel request', (settle) => {
    settle.onAbort(() => socket.destroy());
    socket.once('error', () => {
      settle.resolve(false);
    });
    socket.once('end', () => {
      settle.resolve(true);
    });
    socket.once('close', () => {
      settle.resolve(false);
    });
    socket.resume();
    // Not ended by us: what the server has not read when it closes would become a reset.
    socket.write(request);
  });
}

function cancelRequest(client: pg.Client): Buffer {
  const { processID, secretKey } = client as unknown as Driver;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  return request;
}
