import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { isConnectorError } from '../errors.js';

/** What the log says of a request. */
interface Request {
  readonly method: string;
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What the log says of its answer. */
interface Answer {
  readonly status: number;
  readonly body: string;
  readonly requestId: string | undefined;
  readonly headerNames: readonly string[];
}

/** Takes how an exchange ended; one of them is called, once. */
export interface ExchangeWatch {
  answered(answer: Answer): void;
  failed(error: unknown): void;
}

/** Reports that `request` is sent now, and how it ends: names of headers, never values, no query and no body. */
export function watchExchange(
  { method, url, headers = {} }: Request,
  diagnostics: Diagnostics | undefined,
  clock: Clock,
): ExchangeWatch {
  const { protocol, host, pathname: path } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const startedAtMs = clock.steadyMs();
  const ms = (): number => Math.round(clock.steadyMs() - startedAtMs);
  diagnostics?.report('http.request', {
    method,
    scheme,
    host,
    path,
    headers: Object.keys(headers).join(' '),
  });
  return {
    answered({ status, body, requestId = 'none', headerNames }) {
      const bytes = Buffer.byteLength(body);
      const names = headerNames.join(' ');
      diagnostics?.report('http.answer', { host, status, bytes, ms: ms(), requestId, headers: names });
    },
    failed(error) {
      const code = isConnectorError(error) ? error.code : 'CANCELLED';
      diagnostics?.report('http.failed', { host, code, ms: ms() });
    },
  };
}
