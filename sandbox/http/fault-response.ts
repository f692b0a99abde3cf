import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { AnswerFault, ResetFault } from '../faults.js';

/** Sends what an `answer` fault says. Settles when all of it is sent or the client has gone. */
export const sendAnswer = async (response: ServerResponse, fault: AnswerFault): Promise<void> => {
  response.writeHead(fault.status, fault.headers);
  const body = Buffer.from(fault.body ?? '', fault.encoding ?? 'utf8');
  for (let round = 0; round < (fault.repeat ?? 1) && !response.destroyed; round += 1) {
    if (fault.dripMs === undefined) await write(response, body);
    else await drip(response, body, fault.dripMs);
  }
  response.end();
};

/** Resets the connection at the point that the fault names. */
export const resetConnection = async (
  request: IncomingMessage,
  response: ServerResponse,
  { after = 'request' }: ResetFault,
): Promise<void> => {
  if (after !== 'request') {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': '2048' });
    response.flushHeaders();
    if (after === 'body') await write(response, Buffer.from('{"token_type":"Bearer","expires_in":35'));
  }
  request.socket.destroy();
};

const write = async (response: ServerResponse, bytes: Buffer): Promise<void> => {
  if (response.destroyed || response.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.on('drain', settle).on('close', settle);
  });
};

const drip = async (response: ServerResponse, bytes: Buffer, everyMs: number): Promise<void> => {
  for (const byte of bytes) {
    if (response.destroyed) return;
    await write(response, Buffer.of(byte));
    await wait(everyMs, undefined, { ref: false });
  }
};
