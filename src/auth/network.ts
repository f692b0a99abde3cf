import { createRequire } from 'node:module';
import type { Agent, fetch } from 'undici';
import { deadline, nextTurn, type Budget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, describe, isConnectorError, type ErrorContext } from '../errors.js';
import { createDialer, type Dialer } from './dialer.js';
import { watchExchange } from './exchange.js';
import type { ProxySettings } from '../settings/settings.js';
import { nameOf, readRoute, type Environment } from './proxy.js';
import { ConnectFailure, isVerificationFailure } from './tunnel.js';

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
  /** Value of `Age`, as sent: seconds that the answer spent in caches (RFC 9111 section 5.1). */
  readonly age: string | undefined;
  /** Value of `x-ms-request-id`, the authority's name for this exchange: at most 64 of A-Z a-z 0-9 _ -. */
  readonly requestId: string | undefined;
  readonly headerNames: readonly string[];
}

/** How long one request may take, and who may end it earlier. */
export interface SendLimits {
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
}

/** HTTPS to the authority: verified, bounded in time and size, never redirected. */
export interface Network {
  /**
   * Sends `request` once. An error carries the request's `client-request-id` as `correlationId`.
   *
   * @throws ConnectorError AUTHORITY_UNREACHABLE, AUTHORITY_TIMEOUT, AUTHORITY_NOT_VERIFIED,
   *   AUTHORITY_REDIRECTED, PROXY_UNREACHABLE, PROXY_NOT_VERIFIED, PROXY_AUTHENTICATION_FAILED,
   *   PROXY_REFUSED, TOKEN_RESPONSE_MALFORMED (too large, or no HTTP), CONNECTOR_CLOSED; or the
   *   reason of `signal`
   */
  send(request: AuthorityRequest, limits: SendLimits): Promise<AuthorityAnswer>;
  /** Ends all connections, those in use and those being made too. Nothing is sent any more. */
  close(): Promise<void>;
}

/** `fetch` as undici has it; injected by tests. */
export type Fetch = typeof fetch;

export interface NetworkOptions {
  /**
   * PEM text of the only authorities to trust; undefined: those of Node.js, NODE_EXTRA_CA_CERTS
   * among them.
   */
  readonly ca: string | undefined;
  readonly proxy: ProxySettings;
  readonly clock: Clock;
  /** Told each request and its answer. */
  readonly diagnostics?: Diagnostics | undefined;
  readonly fetch?: Fetch | undefined;
  /** Read for `proxy` of kind environment; that of the process when absent. */
  readonly environment?: Environment | undefined;
}

const LARGEST_BODY = 262_144;
const LARGEST_HEADERS = 65_536;
/** Discovery and token share a connection; tokens are half an hour apart. */
const IDLE_MS = 4_000;

/** The network of one connector. No I/O before the first request. Throws what {@link readRoute} throws. */
export function createNetwork(options: NetworkOptions): Network {
  // eslint-disable-next-line no-restricted-properties -- proxy settings may ask for exactly this
  const { ca, clock, proxy, diagnostics, environment = process.env } = options;
  const dialer = createDialer({ route: readRoute(proxy, environment), ca, clock, diagnostics });
  let http: Http | undefined;
  let sending = 0;
  let closed = false;

  const failureOf = (error: unknown, host: string, context: ErrorContext): ConnectorError =>
    closed ? new ConnectorError('CONNECTOR_CLOSED', {}, context) : networkError(error, host, context);

  return {
    async send(request, { budget, signal }) {
      const url = new URL(request.url);
      const { host } = url;
      const context = { correlationId: correlationId(request) };
      if (closed) throw failureOf(undefined, host, context);
      const timeout = (): Error => timeoutError(dialer, host, budget.totalMs, context);
      const limit = deadline(clock, budget.remainingMs(), timeout, signal);
      sending += 1;
      const watch = watchExchange(request, diagnostics, clock);
      try {
        requireTls(url, context);
        http ??= loadHttp(dialer, options.fetch);
        const answer = await exchange(http, request, limit.signal, context);
        watch.answered(answer);
        // undici lends a connection again one turn after its answer; who asks at once would make another.
        await nextTurn();
        return answer;
      } catch (cause) {
        const error = limit.signal.aborted ? (limit.signal.reason as Error) : failureOf(cause, host, context);
        watch.failed(error);
        throw error;
      } finally {
        limit.dispose();
        sending -= 1;
        if (sending === 0) dialer.abandon();
      }
    },
    async close() {
      closed = true;
      dialer.abandon();
      await http?.agent.destroy();
    },
  };
}

/** What requests are sent with. */
interface Http {
  readonly sendBy: Fetch;
  readonly agent: Agent;
}

type Undici = Pick<typeof import('undici'), 'Agent' | 'fetch'>;

// undici is the dearest module of this package to load, and most of its index is caches, mocks and WebSockets.
// It is held to one minor version, since the folders in it may change.
function loadUndici(): Undici {
  const load = createRequire(import.meta.url);
  const Agent = load('undici/lib/dispatcher/agent.js') as Undici['Agent'];
  const { fetch } = load('undici/lib/web/fetch/index.js') as Undici;
  return { Agent, fetch };
}

// Not before there is something to send.
function loadHttp(dialer: Dialer, injected: Fetch | undefined): Http {
  const undici = loadUndici();
  const agent = new undici.Agent({
    connect: dialer.connect,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    connections: 4,
    maxHeaderSize: LARGEST_HEADERS,
  });
  return { sendBy: injected ?? undici.fetch, agent };
}

async function exchange(
  { sendBy, agent }: Http,
  request: AuthorityRequest,
  signal: AbortSignal,
  context: ErrorContext,
): Promise<AuthorityAnswer> {
  const { method, url, headers = {}, body } = request;
  const { host } = new URL(url);
  const response = await sendBy(url, {
    method,
    headers: { accept: 'application/json', ...headers },
    ...(body !== undefined && { body }),
    redirect: 'manual',
    dispatcher: agent,
    signal,
  });
  const header = (name: string): string | undefined => response.headers.get(name) ?? undefined;
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel();
    throw new ConnectorError('AUTHORITY_REDIRECTED', { host, status: response.status }, context);
  }
  return {
    host,
    status: response.status,
    contentType: header('content-type') ?? '',
    body: await boundedText(response, context),
    retryAfter: header('retry-after'),
    date: header('date'),
    age: header('age'),
    requestId: plainId(header('x-ms-request-id')),
    headerNames: [...response.headers.keys()],
  };
}

async function boundedText(response: Awaited<ReturnType<Fetch>>, context: ErrorContext): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw malformed('it is larger than 256 KiB', context);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// Others than this connector may set the header: only what is an id goes into errors.
function plainId(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w-]{1,64}$/.test(text) ? text : undefined;
}

function correlationId({ headers = {} }: AuthorityRequest): string | undefined {
  return plainId(Object.entries(headers).find(([name]) => name.toLowerCase() === 'client-request-id')?.[1]);
}

function requireTls(url: URL, context: ErrorContext): void {
  if (url.protocol === 'https:') return;
  const details = { host: url.host, problem: 'its address does not begin with https:' };
  throw new ConnectorError('AUTHORITY_NOT_VERIFIED', details, context);
}

/** Blames the proxy where the authority was not even asked yet. */
function timeoutError(
  dialer: Dialer,
  host: string,
  timeoutMs: number,
  context: ErrorContext,
): ConnectorError {
  const proxy = dialer.awaitedProxy(host);
  if (!proxy) return new ConnectorError('AUTHORITY_TIMEOUT', { host, timeoutMs }, context);
  const details = { host: nameOf(proxy), problem: `no connection within ${String(timeoutMs)} ms` };
  return new ConnectorError('PROXY_UNREACHABLE', details, context);
}

function networkError(error: unknown, host: string, context: ErrorContext): ConnectorError {
  if (isConnectorError(error)) return error;
  // undici wraps what happened below it as the cause of "fetch failed".
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof ConnectFailure) {
    const { reason, details, retryable } = cause;
    return new ConnectorError(reason, details, { ...context, retryable, cause: cause.cause });
  }
  const problem = describe(cause);
  const full = { ...context, cause };
  if (isMalformed(cause)) return malformed(problem, full);
  const code = isVerificationFailure(cause) ? 'AUTHORITY_NOT_VERIFIED' : 'AUTHORITY_UNREACHABLE';
  return new ConnectorError(code, { host, problem }, full);
}

// No HTTP (undici 7 forgets the code of that error), headers beyond the limit, or content that does not decode.
function isMalformed(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return (
    error.name === 'HTTPParserError' ||
    (typeof code === 'string' && /^(UND_ERR_HEADERS_OVERFLOW$|Z_)/.test(code))
  );
}

function malformed(problem: string, context: ErrorContext): ConnectorError {
  return new ConnectorError('TOKEN_RESPONSE_MALFORMED', { problem }, context);
}
