import { randomBytes } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Control } from './control.js';
import { BadRequest, operations, type Body } from './control-operations.js';

/** The control by HTTP. */
export interface ControlServer {
  /** `http://127.0.0.1:PORT/RANDOM`; the random path keeps other local programs out. */
  readonly url: string;
  close(): Promise<void>;
}

/** Largest body of a control request, in bytes. */
const largestBody = 1_048_576;

/** A plain HTTP server on 127.0.0.1 for the control. */
export const startControlServer = async (control: Control): Promise<ControlServer> => {
  const secret = randomBytes(16).toString('hex');
  const server = http.createServer((request, response) => {
    answer(control, secret, request)
      .then(({ status, value }) => send(response, status, value))
      .catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/${secret}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

const answer = async (control: Control, secret: string, request: IncomingMessage): Promise<Answer> => {
  const [, first, ...rest] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
  const name = `${request.method} ${rest.join('/')}`;
  const operation = first === secret && Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (operation === undefined) {
    request.resume();
    return { status: 404, value: { error: 'no such operation' } };
  }
  try {
    return { status: 200, value: (await operation(control, await readJson(request))) ?? {} };
  } catch (error) {
    const status = error instanceof BadRequest || error instanceof SyntaxError ? 400 : 500;
    return { status, value: { error: (error as Error).message } };
  }
};

const readJson = async (request: IncomingMessage): Promise<Body> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw new BadRequest('the body is too large');
    chunks.push(chunk);
  }
  const value: unknown = size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
  if (typeof value !== 'object' || value === null)
    throw new BadRequest('the body must be a JSON object or array');
  return value as Body;
};

const send = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(value));
};
