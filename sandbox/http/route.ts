import type { OutgoingHttpHeaders } from 'node:http';
import type { GrantRecord } from '../authority/request-log.js';
import type { EndpointKind } from '../faults.js';
import type { Reading } from './reading.js';

/** What an endpoint answers. */
export interface Outcome {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers?: OutgoingHttpHeaders;
  /** For the log: AADSTS number of a refusal, `uti` or `jti` of the token that was issued. */
  readonly errorCode?: number;
  readonly tokenId?: string;
}

/** An endpoint: where it is, and what it does. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** The whole path, or what matches it: the group `tenant` is then what the path calls the tenant. */
  readonly path: string | RegExp;
  readonly kind: EndpointKind;
  /** The answer to a request; throws a {@link Refusal}. */
  answer(reading: Reading): Outcome | Promise<Outcome>;
  /** What a token request asked for, for the log. */
  outline?(reading: Reading): GrantRecord;
}

/** The endpoint that a request is for, and the tenant that its path names (empty if none). */
export const findRoute = (
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route?: Route; readonly tenant: string } => {
  for (const route of routes) {
    if (route.method !== method) continue;
    if (route.path === path) return { route, tenant: '' };
    const match = typeof route.path === 'string' ? null : route.path.exec(path);
    if (match) return { route, tenant: decode(match.groups?.['tenant'] ?? '') };
  }
  return { tenant: '' };
};

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};
