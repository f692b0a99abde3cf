import { Agent, fetch, type Dispatcher } from 'undici';
import { deadline, type Budget, type Clock } from '../clock.js';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import type { ProxySettings } from '../settings/settings.js';

/** One request to the authority. */
export interface AuthorityRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came back, whatever its status; redirects excepted. */
export interface AuthorityAnswer {
  /** `host[:port]` that answered. */
  readonly host: string;
  readonly status: number;
  readonly contentType: string;
  /** Decoded text, at most 256 KiB. */
  readonly body: string;
  /** Value of `Retry-After`, as sent. */
  readonly retryAfter: string | undefined;
  /** Value of `Date`, as sent. */
  readonly date: string | undefined;
  readonly age?: string | undefined;
}

/** How long one request may take, and who may end it earlier. */
export interface SendLimits {
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
}

/** HTTPS to the authority: verified, bounded in time and size, never redirected. */
export interface Network {
  /**
   * Sends `request` once.
   *
   * @throws ConnectorError AUTHORITY_UNREACHABLE, AUTHORITY_TIMEOUT, AUTHORITY_NOT_VERIFIED,
   *   AUTHORITY_REDIRECTED, TOKEN_RESPONSE_MALFORMED (too large); or the reason of `signal`
   */
  send(request: AuthorityRequest, limits: SendLimits): Promise<AuthorityAnswer>;
  /** Ends idle connections. */
  close(): Promise<void>;
}

/** `fetch` as undici has it; injected by tests. */
export type Fetch = typeof fetch;

export interface NetworkOptions {
  readonly proxy?: ProxySettings;
  /** PEM text of the only authorities to trust; undefined: those of Node.js. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly fetch?: Fetch | undefined;
}

const LARGEST_BODY = 262_144;

export function createNetwork(options: NetworkOptions): Network {
  const dispatcher = verifyingAgent(options.ca);
  const sendBy = options.fetch ?? fetch;
  return {
    async send(request, { budget, signal }) {
      const host = new URL(request.url).host;
      const timeout = (): Error =>
        new ConnectorError('AUTHORITY_TIMEOUT', { host, timeoutMs: budget.totalMs });
      const limit = deadline(options.clock, budget.remainingMs(), timeout, signal);
      try {
        return await exchange(sendBy, request, dispatcher, limit.signal, host);
      } catch (error) {
        throw limit.signal.aborted ? (limit.signal.reason as Error) : networkError(error, host);
      } finally {
        limit.dispose();
      }
    },
    close: () => dispatcher.destroy(),
  };
}

// Everything is said explicitly, so that NODE_TLS_REJECT_UNAUTHORIZED=0 weakens nothing.
function verifyingAgent(ca: string | undefined): Agent {
  const trust = ca === undefined ? {} : { ca };
  return new Agent({
    connect: { ...trust, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    keepAliveTimeout: 4_000,
    connections: 4,
    maxHeaderSize: 65_536,
  });
}

async function exchange(
  sendBy: Fetch,
  request: AuthorityRequest,
  dispatcher: Dispatcher,
  signal: AbortSignal,
  host: string,
): Promise<AuthorityAnswer> {
  const { method, url, headers = {}, body } = request;
  const response = await sendBy(url, {
    method,
    headers: { accept: 'application/json', ...headers },
    ...(body !== undefined && { body }),
    redirect: 'manual',
    dispatcher,
    signal,
  });
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel();
    throw new ConnectorError('AUTHORITY_REDIRECTED', { host, status: response.status });
  }
  return {
    host,
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: await boundedText(response),
    retryAfter: response.headers.get('retry-after') ?? undefined,
    date: response.headers.get('date') ?? undefined,
  };
}

async function boundedText(response: Awaited<ReturnType<Fetch>>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > LARGEST_BODY) {
      throw new ConnectorError('TOKEN_RESPONSE_MALFORMED', { problem: 'it is larger than 256 KiB' });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function networkError(error: unknown, host: string): ConnectorError {
  if (isConnectorError(error)) return error;
  // undici wraps what happened on the socket as the cause of "fetch failed".
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: unknown }).code;
  const details = { host, problem: describe(cause) };
  return new ConnectorError(
    isVerificationFailure(code) ? 'AUTHORITY_NOT_VERIFIED' : 'AUTHORITY_UNREACHABLE',
    details,
    {
      cause,
    },
  );
}

function isVerificationFailure(code: unknown): boolean {
  return (
    typeof code === 'string' &&
    /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ERR_SSL|ERR_TLS|HOSTNAME_MISMATCH/.test(code)
  );
}
