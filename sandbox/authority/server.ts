import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { BoundedLog } from '../bounded-log.js';
import type { EndpointKind, Fault, FaultQueue } from '../faults.js';
import { override, type Overrides } from '../overrides.js';
import type { TokenMint } from './access-token.js';
import { createAssertionJudge } from './client-assertion.js';
import type { Directory } from './directory.js';
import { discoveryDocument } from './discovery.js';
import { resetConnection, sendAnswer } from './fault-response.js';
import { Refusal, refusalBody, refusals } from './refusal.js';
import type { AuthorityRequest, GrantRecord } from './request-log.js';
import { grantClientCredentials, outlineGrant, type TokenEndpointParts } from './token-endpoint.js';

/** What a test has told the authority to do; it reads this at each request. */
export interface AuthorityScript {
  readonly faults: FaultQueue;
  tokenLifetimeSeconds: number;
  secretExpired: boolean;
  tokenResponse: Overrides;
  claims: Overrides;
  discovery: Overrides;
}

/** What the authority is made of. */
export interface AuthorityParts {
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly directory: Directory;
  readonly mint: TokenMint;
  readonly script: AuthorityScript;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** A running authority. */
export interface Authority {
  /** `https://localhost:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly log: BoundedLog<AuthorityRequest>;
  /** Presents another certificate to connections from now on, and ends those that are open and idle. */
  setCertificate(certificate: { readonly key: string; readonly cert: string }): void;
  close(): Promise<void>;
}

/** The largest request body that is read, in bytes; more is answered with 413. */
const largestBody = 65_536;

/** An HTTPS server on 127.0.0.1 that answers as Entra's login host does. */
export const startAuthority = async (parts: AuthorityParts): Promise<Authority> => {
  const log = new BoundedLog<AuthorityRequest>();
  const server = https.createServer({ ...parts.certificate, requestTimeout: 10_000, headersTimeout: 10_000 });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `https://localhost:${port}`;
  const endpoint = tokenEndpointParts(parts);
  server.on('request', (request, response) => {
    answer({ parts, endpoint, origin: url, log }, request, response).catch(() => request.socket.destroy());
  });
  return {
    url,
    port,
    log,
    setCertificate: (certificate) => {
      server.setSecureContext(certificate);
      server.closeIdleConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** What answering one request needs. */
interface Desk {
  readonly parts: AuthorityParts;
  readonly endpoint: TokenEndpointParts;
  readonly origin: string;
  readonly log: BoundedLog<AuthorityRequest>;
}

/** One request as it was read. */
interface Reading {
  readonly at: number;
  readonly kind: EndpointKind;
  readonly tenant: string;
  readonly form: URLSearchParams;
  readonly correlationId: string;
}

/** What is to be sent, and what the log says of it. */
interface Outcome {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly errorCode?: number;
  readonly tokenId?: string;
}

const tokenEndpointParts = ({ directory, mint, script, now }: AuthorityParts): TokenEndpointParts => ({
  directory,
  judge: createAssertionJudge(now),
  secretExpired: () => script.secretExpired,
  issue: async (application, credential) => {
    const lifetimeSeconds = script.tokenLifetimeSeconds;
    const subject = {
      tenantId: directory.tenant.id,
      clientId: application.clientId,
      objectId: application.objectId,
      credential,
      now: now(),
      lifetimeSeconds,
    };
    const token = await mint.issue(subject, script.claims);
    const response = {
      token_type: 'Bearer',
      expires_in: lifetimeSeconds,
      ext_expires_in: lifetimeSeconds,
      access_token: token.text,
    };
    return { token, response: override(response, script.tokenResponse) };
  },
});

const answer = async (desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const at = desk.parts.now();
  response.sendDate = false;
  response.setHeader('date', new Date(at).toUTCString());
  const { pathname, searchParams } = readTarget(request.url ?? '/');
  const { kind, tenant } = route(request.method ?? '', pathname);
  const body = await readBody(request);
  const form = new URLSearchParams(body ?? '');
  const correlationId = correlationIdOf(request, form, searchParams);
  const fault = desk.parts.script.faults.next(kind);
  const entry = {
    at,
    method: request.method ?? '',
    path: pathname.slice(0, 1000),
    kind,
    ...(tenant !== '' && { tenant }),
    ...(correlationId !== undefined && { correlationId }),
    ...(fault && { fault: fault.action }),
  };
  const grant: GrantRecord | undefined = kind === 'token' ? outlineGrant(form) : undefined;
  const record = (status: number, { errorCode, tokenId }: Partial<Outcome> = {}): void =>
    desk.log.add({
      ...entry,
      status,
      ...(errorCode !== undefined && { errorCode }),
      ...(grant && { grant: { ...grant, ...(tokenId !== undefined && { tokenId }) } }),
    });
  const reading = { at, kind, tenant, form, correlationId: correlationId ?? randomUUID() };

  if (fault?.delayMs !== undefined) await wait(fault.delayMs, undefined, { ref: false });
  if (fault && fault.action !== 'pass' && fault.action !== 'refuse') {
    record(fault.action === 'answer' ? fault.status : 0);
    return misbehave(fault, request, response);
  }
  const outcome =
    body === undefined
      ? { status: 413, body: { error: 'request_too_large' } }
      : await decide(desk, reading, fault);
  record(outcome.status, outcome);
  sendJson(response, outcome, reading, fault?.action === 'refuse' ? fault.headers : undefined);
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
const decide = async (desk: Desk, reading: Reading, fault: Fault | undefined): Promise<Outcome> => {
  try {
    if (fault?.action === 'refuse') {
      const {
        status = 400,
        error = 'temporarily_unavailable',
        code,
        message = 'Refused by a scripted fault.',
      } = fault;
      throw new Refusal(status, error, code, message);
    }
    return await serve(desk, reading);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const context = { now: desk.parts.now(), correlationId: reading.correlationId, origin: desk.origin };
    return { status: error.status, body: refusalBody(error, context), errorCode: error.code };
  }
};

const serve = async (
  { parts, endpoint, origin }: Desk,
  { kind, tenant, form }: Reading,
): Promise<Outcome> => {
  switch (kind) {
    case 'discovery': {
      const found = parts.directory.findTenant(tenant);
      if (found === undefined) throw refusals.tenantUnknown(tenant, 'invalid_tenant');
      return { status: 200, body: override(discoveryDocument(origin, found), parts.script.discovery) };
    }
    case 'keys':
      if (parts.directory.findTenant(tenant) === undefined)
        throw refusals.tenantUnknown(tenant, 'invalid_tenant');
      return { status: 200, body: { ...parts.mint.keySet } };
    case 'token': {
      const { response, tokenId } = await grantClientCredentials(endpoint, origin, tenant, form);
      return { status: 200, body: response, tokenId };
    }
    case 'other':
      return { status: 404, body: { error: 'not_found' } };
  }
};

const sendJson = (
  response: ServerResponse,
  { status, body }: Outcome,
  { correlationId }: Reading,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store, no-cache',
    pragma: 'no-cache',
    'client-request-id': correlationId,
    'x-ms-request-id': randomUUID(),
    'x-ms-ests-server': '2.1.0 - SANDBOX',
    ...headers,
  });
  response.end(JSON.stringify(body));
};

const routes: readonly { readonly method: string; readonly path: RegExp; readonly kind: EndpointKind }[] = [
  { method: 'GET', path: /^\/([^/]+)\/v2\.0\/\.well-known\/openid-configuration$/, kind: 'discovery' },
  { method: 'POST', path: /^\/([^/]+)\/oauth2\/v2\.0\/token\/?$/, kind: 'token' },
  { method: 'GET', path: /^\/([^/]+)\/discovery\/v2\.0\/keys$/, kind: 'keys' },
];

/** Endpoint and tenant that a request is for; the tenant is empty for `other`. */
const route = (
  method: string,
  pathname: string,
): { readonly kind: EndpointKind; readonly tenant: string } => {
  for (const { method: wanted, path, kind } of routes) {
    const [, tenant] = path.exec(pathname) ?? [];
    if (tenant !== undefined && method === wanted) return { kind, tenant: decode(tenant) };
  }
  return { kind: 'other', tenant: '' };
};

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

const readTarget = (target: string): Pick<URL, 'pathname' | 'searchParams'> => {
  const base = 'https://localhost';
  return URL.canParse(target, base) ? new URL(target, base) : new URL(base);
};

/** The body as text; undefined once it is larger than allowed (the rest is read and dropped). */
const readBody = async (request: IncomingMessage): Promise<string | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= largestBody) chunks.push(chunk);
  }
  return size > largestBody ? undefined : Buffer.concat(chunks).toString();
};

/** The client's own id for the request: header, form field or query parameter `client-request-id`. */
const correlationIdOf = (
  request: IncomingMessage,
  form: URLSearchParams,
  query: URLSearchParams,
): string | undefined => {
  const given = [
    request.headers['client-request-id'],
    form.get('client-request-id'),
    query.get('client-request-id'),
  ];
  return given.find((id): id is string => typeof id === 'string' && /^[\w-]{1,64}$/.test(id));
};
