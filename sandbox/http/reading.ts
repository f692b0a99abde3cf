import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { EndpointKind } from '../faults.js';

/** One request as it was read. */
export interface Reading {
  /** When it came, ms since the epoch by the sandbox's clock. */
  readonly at: number;
  readonly kind: EndpointKind;
  readonly method: string;
  readonly path: string;
  /** Tenant as written in the path; empty where the path has none. */
  readonly tenant: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The fields of the body (`application/x-www-form-urlencoded`). */
  readonly form: URLSearchParams;
  /** The client's own id for the request: header, form field or query parameter `client-request-id`; else a new one. */
  readonly correlationId: string;
}

/** The largest request body that is read, in bytes. */
const largestBody = 65_536;

/** Path and query of a request. */
export const readTarget = ({ url = '/' }: IncomingMessage): Pick<URL, 'pathname' | 'searchParams'> => {
  const base = 'https://localhost';
  return URL.canParse(url, base) ? new URL(url, base) : new URL(base);
};

/** The body as text; undefined once it is larger than allowed (the rest is read and dropped). */
export const readBody = async (request: IncomingMessage): Promise<string | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= largestBody) chunks.push(chunk);
  }
  return size > largestBody ? undefined : Buffer.concat(chunks).toString();
};

/** The client's id for a request, if it gave one that is fit for a log. */
export const correlationIdOf = (
  headers: IncomingHttpHeaders,
  ...fields: readonly URLSearchParams[]
): string | undefined => {
  const name = 'client-request-id';
  const given = [headers[name], ...fields.map((list) => list.get(name))];
  return given.find((id): id is string => typeof id === 'string' && /^[\w-]{1,64}$/.test(id));
};

/** The value of a parameter; undefined if it is absent or empty, which means the same (RFC 6749 section 3.2). */
export const given = (parameters: URLSearchParams, name: string): string | undefined => {
  const value = parameters.get(name);
  return value === null || value === '' ? undefined : value;
};
