import { ConnectorError, isConnectorError } from '../../index.js';

/** What a catch node finds in `msg.error.cause`: plain data, safe to clone and to show. */
export interface ErrorFacts {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly cure: string;
  readonly retryable: boolean;
  readonly [further: string]: unknown;
}

/**
 * `error` in the form `done()` takes. Node-RED hands `code`, `cause` and the text on to catch nodes
 * and drops the rest, so type and cure stand in `cause` too. It is printed as "TYPE: message. cure";
 * only an error that is not the connector's own keeps its stack.
 */
export function nodeError(error: unknown): Error & ErrorFacts {
  const known = isConnectorError(error);
  const facts = factsOf(error);
  const shown = new Error(`${sentence(facts.message)} ${facts.cure}`, { cause: facts });
  if (known) delete shown.stack;
  return Object.assign(shown, facts, { name: facts.type, message: shown.message });
}

// A server's message may come without a full stop.
function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function factsOf(error: unknown): ErrorFacts {
  const problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const own = isConnectorError(error) ? error : new ConnectorError('INTERNAL', { problem });
  return JSON.parse(JSON.stringify(own)) as ErrorFacts;
}
