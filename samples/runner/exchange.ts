import type { NodeRed } from './node-red.js';

/** A request to a flow and what came back; a sample's `expected.json` lists them. */
export interface Exchange {
  /** `GET /path?query`. */
  readonly request: string;
  readonly status: number;
  readonly answer: unknown;
}

/** Sends `request` to the flow that listens for it. */
export async function exchange(nodeRed: NodeRed, request: string): Promise<Exchange> {
  const [method = '', path = ''] = request.split(' ');
  const response = await nodeRed.call(path, { method });
  const text = await response.text();
  return { request, status: response.status, answer: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Sends the requests of `expected` one after the other. */
export async function exchangeAll(nodeRed: NodeRed, expected: readonly Exchange[]): Promise<Exchange[]> {
  const exchanges: Exchange[] = [];
  for (const { request } of expected) exchanges.push(await exchange(nodeRed, request));
  return exchanges;
}

/** Rows of data in the answers: those that were listed, loaded or changed. */
export function rowsIn(exchanges: readonly Exchange[]): number {
  return exchanges.reduce((sum, { answer }) => sum + rowsOf(answer), 0);
}

function rowsOf(answer: unknown): number {
  if (Array.isArray(answer)) return answer.length;
  const { loaded, changed } = (answer ?? {}) as { loaded?: number; changed?: number };
  return loaded ?? changed ?? 0;
}
