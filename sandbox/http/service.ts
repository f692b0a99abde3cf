import { randomUUID } from 'node:crypto';
import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import type { AuthorityRequest, GrantRecord } from '../authority/request-log.js';
import type { BoundedLog } from '../bounded-log.js';
import type { Fault, FaultQueue, RefuseFault, ServiceName } from '../faults.js';
import { override, type Overrides } from '../overrides.js';
import { resetConnection, sendAnswer } from './fault-response.js';
import { correlationIdOf, readBody, readTarget, type Reading } from './reading.js';
import { Refusal } from './refusal.js';
import { findRoute, type Outcome, type Route } from './route.js';

/** What a test has told every service to do; read at each request. */
export interface ServiceScript {
  readonly faults: FaultQueue;
  /** Changes to the headers of every answer; names in lower case. */
  headers: Overrides;
}

/** What a service is made of. */
export interface ServiceParts {
  readonly name: ServiceName;
  /** Key and certificate; absent: plain HTTP. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  /** The endpoints, once the origin (`https://localhost:PORT`) is known. */
  readonly routes: (origin: string) => readonly Route[];
  /** The form in which the service writes down a refusal. */
  readonly refuse: (refusal: Refusal, reading: Reading, origin: string) => Outcome;
  /** The refusal that a fault asks for; one of plain OAuth when absent. */
  readonly scripted?: (fault: RefuseFault, reading: Reading) => Refusal;
  /** Headers of every answer of the service's own. */
  readonly headers?: (reading: Reading) => OutgoingHttpHeaders;
  readonly script: ServiceScript;
  readonly log: BoundedLog<AuthorityRequest>;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** A running service. */
export interface Service {
  /** `https://localhost:PORT`, or `http://127.0.0.1:PORT`. */
  readonly origin: string;
  readonly port: number;
  /** Uses another certificate, or other TLS versions, for connections from now on, and ends those that are idle. */
  setTls(options: SecureContextOptions): void;
  /** With `false` connections are refused until it is `true` again, on the same port. */
  setReachable(reachable: boolean): Promise<void>;
  close(): Promise<void>;
}

/** An HTTP server on 127.0.0.1 that answers by its routes, unless a fault of the script comes first. */
export const startService = async (parts: ServiceParts): Promise<Service> => {
  const limits = { requestTimeout: 10_000, headersTimeout: 10_000 };
  const { certificate } = parts;
  const server = certificate ? https.createServer({ ...limits, ...certificate }) : http.createServer(limits);
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('tlsClientError', () => undefined);
  const port = await listen(server, 0);
  const origin = certificate ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  const desk: Desk = { parts, routes: parts.routes(origin), origin };
  server.on('request', (request, response) => {
    attend(desk, request, response).catch(() => request.socket.destroy());
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    origin,
    port,
    setTls: (options) => {
      if (server instanceof https.Server) server.setSecureContext(options);
      server.closeIdleConnections();
    },
    setReachable: async (reachable) => {
      if (reachable === server.listening) return;
      if (reachable) await listen(server, port);
      else await close();
    },
    close,
  };
};

/** Listens on 127.0.0.1; gives the port, a free one for 0. */
const listen = async (server: NetServer, port: number): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
};

/** What answering requests needs. */
interface Desk {
  readonly parts: ServiceParts;
  readonly routes: readonly Route[];
  readonly origin: string;
}

const attend = async (desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { script, name, headers } = desk.parts;
  const { reading, route, ownId, isTooLarge } = await read(desk, request);
  const fault = script.faults.next(name, reading.kind);
  const record = recorder(desk.parts, reading, { ownId, fault, grant: route?.outline?.(reading) });
  response.sendDate = false;
  setHeaders(response, override({ date: new Date(reading.at).toUTCString() }, script.headers));
  if (fault?.delayMs !== undefined) await wait(fault.delayMs, undefined, { ref: false });
  if (fault && fault.action !== 'pass' && fault.action !== 'refuse') {
    record({ status: fault.action === 'answer' ? fault.status : 0 });
    return misbehave(fault, request, response);
  }
  const outcome = isTooLarge ? tooLarge : await decide(desk, route, reading, fault);
  record(outcome);
  setHeaders(
    response,
    override({ ...jsonHeaders, ...headers?.(reading), ...outcome.headers }, script.headers),
  );
  response.writeHead(outcome.status, fault?.headers);
  response.end(JSON.stringify(outcome.body));
};

/** What was read of a request, and whose it is. */
interface Received {
  readonly reading: Reading;
  readonly route: Route | undefined;
  /** The client's own id for the request. */
  readonly ownId: string | undefined;
  readonly isTooLarge: boolean;
}

const read = async ({ parts, routes }: Desk, request: IncomingMessage): Promise<Received> => {
  const at = parts.now();
  const { method = '', headers } = request;
  const { pathname: path, searchParams: query } = readTarget(request);
  const { route, tenant } = findRoute(routes, method, path);
  const body = await readBody(request);
  const form = new URLSearchParams(body ?? '');
  const ownId = correlationIdOf(headers, form, query);
  const kind = route?.kind ?? 'other';
  const correlationId = ownId ?? randomUUID();
  const reading = { at, kind, method, path, tenant, query, headers, form, correlationId };
  return { reading, route, ownId, isTooLarge: body === undefined };
};

const jsonHeaders = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store, no-cache',
  pragma: 'no-cache',
};

const tooLarge: Outcome = { status: 413, body: { error: 'request_too_large' } };

const setHeaders = (response: ServerResponse, headers: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value as string);
};

const misbehave = async (
  fault: Exclude<Fault, { action: 'pass' | 'refuse' }>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  switch (fault.action) {
    case 'answer':
      return sendAnswer(response, fault);
    case 'reset':
      return resetConnection(request, response, fault);
    case 'hang':
      return undefined;
  }
};

/** The endpoint's own answer, or the refusal that a fault asks for. */
const decide = async (
  { parts, origin }: Desk,
  route: Route | undefined,
  reading: Reading,
  fault: Fault | undefined,
): Promise<Outcome> => {
  try {
    if (fault?.action === 'refuse') throw (parts.scripted ?? plainRefusal)(fault, reading);
    return route ? await route.answer(reading) : { status: 404, body: { error: 'not_found' } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const outcome = parts.refuse(error, reading, origin);
    return error.code === undefined ? outcome : { ...outcome, errorCode: error.code };
  }
};

const plainRefusal = ({
  status = 400,
  error = 'temporarily_unavailable',
  message = 'Refused by a scripted fault.',
}: RefuseFault): Refusal => new Refusal(status, error, message);

/** What is known of a request before its outcome. */
interface Circumstances extends Pick<Received, 'ownId'> {
  readonly fault: Fault | undefined;
  readonly grant: GrantRecord | undefined;
}

/** Writes a request to the log once its outcome is known. */
const recorder =
  (
    { name, log }: ServiceParts,
    { at, kind, method, path, tenant }: Reading,
    { ownId, fault, grant }: Circumstances,
  ) =>
  ({ status, errorCode, tokenId }: Pick<Outcome, 'status' | 'errorCode' | 'tokenId'>): void =>
    log.add({
      at,
      ...(name !== 'authority' && { service: name }),
      method,
      path: path.slice(0, 1000),
      kind,
      ...(tenant !== '' && { tenant }),
      status,
      ...(errorCode !== undefined && { errorCode }),
      ...(ownId !== undefined && { correlationId: ownId }),
      ...(fault && { fault: fault.action }),
      ...(grant && { grant: { ...grant, ...(tokenId !== undefined && { tokenId }) } }),
    });
