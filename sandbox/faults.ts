import { gzipSync } from 'node:zlib';

/** The part of the sandbox that a request went to. */
export type ServiceName = 'authority' | 'openId' | 'managedIdentity';

/** The kind of endpoint that a request went to. */
export type EndpointKind = 'discovery' | 'token' | 'keys' | 'other';

/** Which requests a fault hits, and how often. */
export interface FaultTarget {
  /** Endpoint that the fault waits for; `token` when absent. */
  readonly kind?: EndpointKind | 'any';
  /** Service that the fault waits for; any of them when absent. */
  readonly service?: ServiceName;
  /** How many requests it hits before it is gone; 1 when absent. */
  readonly times?: number | 'always';
  /** Milliseconds to wait before anything else happens; 0 when absent. */
  readonly delayMs?: number;
}

/** Answers as if nothing were wrong; of use with `delayMs`, or to change headers (`Age`, `Date`). */
export interface PassFault extends FaultTarget {
  readonly action: 'pass';
  /** Headers to add to the right answer, or to replace there. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers with exactly this, instead of the endpoint's own answer. */
export interface AnswerFault extends FaultTarget {
  readonly action: 'answer';
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How `body` stands for bytes; `utf8` when absent. */
  readonly encoding?: 'utf8' | 'base64';
  /** How often the body is sent, one after the other; 1 when absent. For bodies too large to write down. */
  readonly repeat?: number;
  /** Milliseconds between two single bytes of the body; absent: all at once. */
  readonly dripMs?: number;
}

/**
 * Refuses in the service's own form. What is absent comes from the authority's table of AADSTS numbers
 * (`authority/aadsts.ts`); for a number that does not stand there: 400 `temporarily_unavailable`.
 */
export interface RefuseFault extends FaultTarget {
  readonly action: 'refuse';
  /** The AADSTS number; services other than the authority name none. */
  readonly code?: number;
  /** OAuth error. */
  readonly error?: string;
  /** HTTP status. */
  readonly status?: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Accepts the request and never answers; the connection stays until the client or the sandbox closes it. */
export interface HangFault extends FaultTarget {
  readonly action: 'hang';
}

/** Resets the TCP connection: after the request, after the response's headers, or in the middle of its body. */
export interface ResetFault extends FaultTarget {
  readonly action: 'reset';
  readonly after?: 'request' | 'headers' | 'body';
}

/** Something to go wrong at a service. Plain JSON, so the same value works in-process and over HTTP. */
export type Fault = PassFault | AnswerFault | RefuseFault | HangFault | ResetFault;

/** A refusal by rate limit, status 429; `retryAfter` is the header's text, seconds or an HTTP date (RFC 9110 section 10.2.3). */
export const throttled = (retryAfter?: string | number, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'answer',
  status: 429,
  headers: {
    'content-type': 'application/json',
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  },
  body: '{"error":"temporarily_unavailable","error_description":"AADSTS90055: The server is busy.","error_codes":[90055]}',
});

/** A failure of the server: 5xx without a body unless one is given. */
export const unavailable = (status = 503, body = '', target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'answer',
  status,
  body,
});

/** A right answer that comes `delayMs` milliseconds late. */
export const slow = (delayMs: number, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'pass',
  delayMs,
});

/** A right answer with these headers on top, e.g. `{ age: '300' }` or another `date`. */
export const withHeaders = (headers: Readonly<Record<string, string>>, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'pass',
  headers,
});

/** A refusal with this AADSTS number, as Entra words it. */
export const refused = (code: number, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'refuse',
  code,
});

/** A JSON answer of `decodedBytes` bytes, compressed `layers` times over (RFC 9110 section 8.4). */
export const bomb = (decodedBytes = 100_000_000, layers = 1, target: FaultTarget = {}): Fault => {
  let body = Buffer.alloc(decodedBytes, ' ');
  for (let layer = 0; layer < layers; layer += 1) body = gzipSync(body);
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-encoding': Array<string>(layers).fill('gzip').join(', '),
  };
  return {
    ...target,
    action: 'answer',
    status: 200,
    headers,
    body: body.toString('base64'),
    encoding: 'base64',
  };
};

/** A request that is accepted and never answered. */
export const silent = (target: FaultTarget = {}): Fault => ({ ...target, action: 'hang' });

/** A reset TCP connection. */
export const reset = (
  after: 'request' | 'headers' | 'body' = 'request',
  target: FaultTarget = {},
): Fault => ({
  ...target,
  action: 'reset',
  after,
});

/** An HTML page where JSON is due, as a captive portal or a proxy sends it. */
export const html = (status = 200, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'answer',
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><title>Sign in to the network</title><p>Please accept the terms of use.</p>',
});

/** A redirect to `location`. */
export const redirect = (location: string, status = 307, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'answer',
  status,
  headers: { location },
});

/** A JSON answer with any status: `value` is serialised, a string is sent as it is. */
export const answer = (value: unknown, status = 200, target: FaultTarget = {}): Fault => ({
  ...target,
  action: 'answer',
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: typeof value === 'string' ? value : JSON.stringify(value),
});

/** The faults still to come, in the order in which they were added. */
export class FaultQueue {
  #pending: { readonly fault: Fault; left: number }[] = [];

  /** Adds faults behind those that wait already. */
  add(faults: readonly Fault[]): void {
    for (const fault of faults) {
      const times = fault.times ?? 1;
      this.#pending.push({ fault, left: times === 'always' ? Infinity : times });
    }
  }

  /** The fault for a request of this kind, used up once; undefined when none waits for it. */
  next(service: ServiceName, kind: EndpointKind): Fault | undefined {
    const entry = this.#pending.find(({ fault }) => matches(fault, service, kind));
    if (entry === undefined) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#pending = this.#pending.filter((other) => other !== entry);
    return entry.fault;
  }

  /** How many more requests will be hit; `Infinity` when a fault stays for ever. */
  get size(): number {
    return this.#pending.reduce((sum, entry) => sum + entry.left, 0);
  }

  /** Drops every fault. */
  clear(): void {
    this.#pending = [];
  }
}

const matches = (fault: Fault, service: ServiceName, kind: EndpointKind): boolean => {
  const wanted = fault.kind ?? 'token';
  return (wanted === 'any' || wanted === kind) && (fault.service ?? service) === service;
};
