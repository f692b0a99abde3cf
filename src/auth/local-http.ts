import type { IncomingMessage } from 'node:http';
import { deadline, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import { watchExchange } from './exchange.js';
import type { AuthorityAnswer, SendLimits } from './network.js';

/** A GET to a service of this machine. */
export interface LocalRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** The error where no connection came about. */
  readonly unreachable: (problem: string) => ConnectorError;
}

const LONGEST_CONNECT_MS = 3_000;
const LARGEST_BODY = 262_144;
const LARGEST_HEADERS = 65_536;

/**
 * Asks a service of this machine over plain http: no proxy, no redirect, at most 256 KiB, and at most
 * three seconds until somebody is there at all. Who may be asked, the caller decides.
 *
 * @throws ConnectorError of `unreachable`, AUTHORITY_UNREACHABLE (the connection was lost),
 *   AUTHORITY_TIMEOUT, AUTHORITY_REDIRECTED, TOKEN_RESPONSE_MALFORMED (too large); or the reason of
 *   the signal
 */
export async function askLocally(
  request: LocalRequest,
  { budget, signal }: SendLimits,
  { clock, diagnostics }: { readonly clock: Clock; readonly diagnostics: Diagnostics },
): Promise<AuthorityAnswer> {
  const { host } = request.url;
  const leftMs = budget.remainingMs();
  const timeout = (): Error => new ConnectorError('AUTHORITY_TIMEOUT', { host, timeoutMs: budget.totalMs });
  const connectMs = leftMs === 0 ? LONGEST_CONNECT_MS : Math.min(leftMs, LONGEST_CONNECT_MS);
  const nobody = (): Error => request.unreachable(`${host} did not answer within ${String(connectMs)} ms`);
  // The shorter limit first: when both are over, nobody was there.
  const connecting = deadline(clock, connectMs, nobody);
  const limit = deadline(clock, leftMs, timeout, signal);
  const either = AbortSignal.any([connecting.signal, limit.signal]);
  let failureOf = (problem: string): ConnectorError =>
    request.unreachable(`${host} cannot be reached (${problem})`);
  const watch = watchExchange({ method: 'GET', ...request }, diagnostics, clock);
  try {
    const response = await responseTo(request, either, () => {
      connecting.dispose();
      failureOf = (problem) => new ConnectorError('AUTHORITY_UNREACHABLE', { host, problem });
    });
    const answer = await answerOf(response, host);
    watch.answered(answer);
    return answer;
  } catch (cause) {
    const known = isConnectorError(cause) ? cause : failureOf(describe(cause));
    const error = either.aborted ? (either.reason as Error) : known;
    watch.failed(error);
    throw error;
  } finally {
    connecting.dispose();
    limit.dispose();
  }
}

async function responseTo(
  { url, headers }: LocalRequest,
  signal: AbortSignal,
  onConnect: () => void,
): Promise<IncomingMessage> {
  const { Agent, request } = await import('node:http');
  // Not the agent of the process, which may lead to a proxy.
  const agent = new Agent({ keepAlive: false });
  const options = { agent, headers, signal, maxHeaderSize: LARGEST_HEADERS };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, resolve);
    outgoing.on('socket', (socket) => socket.once('connect', onConnect));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function answerOf(response: IncomingMessage, host: string): Promise<AuthorityAnswer> {
  const { statusCode: status = 0, headers } = response;
  if (status >= 300 && status < 400) {
    response.destroy();
    throw new ConnectorError('AUTHORITY_REDIRECTED', { host, status });
  }
  return {
    host,
    status,
    contentType: headers['content-type'] ?? '',
    body: await boundedText(response),
    retryAfter: headers['retry-after'],
    date: headers.date,
    age: headers.age,
    requestId: undefined,
    headerNames: Object.keys(headers),
  };
}

async function boundedText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY)
      throw new ConnectorError('TOKEN_RESPONSE_MALFORMED', { problem: 'it is larger than 256 KiB' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
