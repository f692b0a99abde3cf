import { randomBytes } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Control } from './control.js';
import type { Fault } from './faults.js';
import { authenticationKinds, type LoginRefusal } from './gate/script.js';
import type { Overrides } from './overrides.js';
import { serverCertificateKinds } from './server-certificates.js';

/** The control by HTTP. */
export interface ControlServer {
  /** `http://127.0.0.1:PORT/RANDOM`; the random path keeps other local programs out. */
  readonly url: string;
  close(): Promise<void>;
}

/** Largest body of a control request, in bytes. */
const largestBody = 1_048_576;

/** The body of a control request; fields that an operation needs are checked where it reads them. */
type Body = Readonly<Record<string, unknown>>;

type Operation = (control: Control, body: Body) => unknown;

/** Thrown for a body that an operation cannot use; answered with 400. */
class BadRequest extends Error {}

/** Every operation by method and path below the control URL. What it gives is the answer's JSON; nothing is `{}`. */
const operations: Readonly<Record<string, Operation>> = {
  'POST token-lifetime': (control, body) => control.setTokenLifetime(number(body, 'seconds')),
  'POST token-response': (control, body) => control.overrideTokenResponse(overrides(body)),
  'POST claims': (control, body) => control.overrideClaims(overrides(body)),
  'POST discovery': (control, body) => control.overrideDiscovery(overrides(body)),
  'POST faults': (control, body) => control.addFaults(...faults(body)),
  'DELETE faults': (control) => ({ unused: control.clearFaults() }),
  'POST revoke': (control, body) => control.revoke(body['all'] === true ? 'all' : text(body, 'token')),
  'POST secret-expired': (control, body) => control.expireSecret(body['expired'] !== false),
  'POST clock': (control, body) => control.moveClock(number(body, 'seconds')),
  'POST token': async (control, body) => ({ token: await control.issueToken(body) }),
  'GET requests': (control) => control.requests(),
  'DELETE requests': (control) => control.clearRequests(),
  'GET token-requests': (control) => ({ count: control.tokenRequestCount() }),
  'GET logins': (control) => control.logins(),
  'DELETE logins': (control) => control.clearLogins(),
  'POST authentication': (control, body) =>
    control.setAuthentication(oneOf(authenticationKinds, body, 'kind')),
  'POST refuse-logins': (control, body) => control.refuseLogins(number(body, 'count'), refusal(body)),
  'POST plaintext-only': (control, body) => control.setPlaintextOnly(body['plaintextOnly'] !== false),
  'POST certificate': (control, body) =>
    control.setCertificate(
      oneOf(['authority', 'gate'], body, 'server'),
      oneOf(serverCertificateKinds, body, 'kind'),
    ),
  'POST drop-sessions': (control) => ({ dropped: control.dropSessions() }),
  'POST postgres/restart': (control) => control.restartPostgres(),
  'POST reset': (control) => control.reset(),
};

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

const number = (body: Body, name: string): number => {
  const value = body[name];
  if (typeof value !== 'number') throw new BadRequest(`'${name}' must be a number`);
  return value;
};

const text = (body: Body, name: string): string => {
  const value = body[name];
  if (typeof value !== 'string') throw new BadRequest(`'${name}' must be a text`);
  return value;
};

const oneOf = <const Choice extends string>(choices: readonly Choice[], body: Body, name: string): Choice => {
  const found = choices.find((choice) => choice === body[name]);
  if (found === undefined) throw new BadRequest(`'${name}' must be one of ${choices.join(', ')}`);
  return found;
};

const overrides = (body: Body): Overrides => {
  const unknown = Object.keys(body).find((name) => name !== 'set' && name !== 'remove');
  if (unknown !== undefined) throw new BadRequest(`'${unknown}' is neither 'set' nor 'remove'`);
  return body;
};

const faults = (body: Body): Fault[] => {
  if (!Array.isArray(body)) throw new BadRequest('the body must be an array of faults');
  const list = body as Partial<Fault>[];
  if (!list.every((fault) => typeof fault.action === 'string'))
    throw new BadRequest("a fault needs an 'action'");
  return list as Fault[];
};

const refusal = (body: Body): LoginRefusal => ({
  sqlState: text(body, 'sqlState'),
  message: text(body, 'message'),
});
