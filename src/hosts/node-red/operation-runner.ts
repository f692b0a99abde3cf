import { ConnectorError, isConnectorError, messageOf, systemClock } from '../../index.js';
import { nodeError } from './node-error.js';
import type { Done, FlowMessage, NodeRedApi, RuntimeNode, Send } from './node-red-api.js';
import {
  CONNECTION_TYPE,
  connectionNode,
  type ConnectionNode,
  type OperationDefinition,
} from './node-types.js';
import { batchMessages } from './sequence.js';
import { readInput } from './typed-input.js';

const CLOSE_GRACE_MS = 2_000;

/** The operations of one deployed node that are under way, and its status line. */
export class OperationRunner {
  readonly #RED: NodeRedApi;
  readonly #node: RuntimeNode;
  readonly #definition: OperationDefinition;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(RED: NodeRedApi, node: RuntimeNode, definition: OperationDefinition) {
    this.#RED = RED;
    this.#node = node;
    this.#definition = definition;
  }

  /** Shows on the node what is wrong with its connection, before a message needs it. Never rejects. */
  async checkConnection(): Promise<void> {
    try {
      const connector = await connectionOf(this.#RED, this.#definition).connector();
      await connector.ready();
    } catch (error) {
      if (!this.#closing.signal.aborted && this.#running.size === 0) this.#showProblem(error);
    }
  }

  /** Runs the operation for `message` and calls `done` once, whatever happens. */
  run(message: FlowMessage, send: Send, done: Done): void {
    const running = this.#settle({ message, send, signal: this.#closing.signal }).then((finish) => {
      this.#running.delete(running);
      finish(done);
    });
    this.#running.add(running);
    this.#showRunning();
  }

  /** Aborts what runs and waits for it, two seconds at most. */
  async close(): Promise<void> {
    this.#closing.abort(new ConnectorError('CANCELLED', {}));
    let stopWaiting = (): void => undefined;
    const grace = new Promise<void>((resolve) => {
      stopWaiting = systemClock.after(CLOSE_GRACE_MS, resolve);
    });
    await Promise.race([Promise.all(this.#running), grace]);
    stopWaiting();
  }

  /** How to tell the node and its flow about the end of `call`. Never rejects. */
  async #settle(call: Call): Promise<(done: Done) => void> {
    const startedAtMs = systemClock.steadyMs();
    try {
      const rows = await runOperation(this.#RED, this.#node, this.#definition, call);
      const ms = Math.round(systemClock.steadyMs() - startedAtMs);
      return (done) => {
        this.#showDone(rows, ms);
        done();
      };
    } catch (error) {
      return (done) => {
        this.#showProblem(error);
        done(nodeError(error));
      };
    }
  }

  #showProblem(error: unknown): void {
    const text = isConnectorError(error) ? error.code : 'INTERNAL';
    this.#node.status({ fill: 'red', shape: 'ring', text });
  }

  #showRunning(): void {
    this.#node.status({ fill: 'blue', shape: 'ring', text: `running ${this.#running.size}` });
  }

  #showDone(rows: number, ms: number): void {
    if (this.#running.size > 0) this.#showRunning();
    else this.#node.status({ fill: 'green', shape: 'dot', text: `${rows} rows ${ms} ms` });
  }
}

interface Call {
  readonly message: FlowMessage;
  readonly send: Send;
  readonly signal: AbortSignal;
}

/** Runs the operation for one message, sends what it gives and returns the number of rows. */
async function runOperation(
  RED: NodeRedApi,
  node: RuntimeNode,
  definition: OperationDefinition,
  { message, send, signal }: Call,
): Promise<number> {
  const { operation, output } = definition;
  const connector = await connectionOf(RED, definition).connector();
  const input = await readInput(RED, node, definition, message);
  if (output !== 'batches') {
    const result = await connector.execute(operation, input, { signal });
    send(Object.assign(message, messageOf(result)));
    return Math.max(result.rows.length, result.affectedRows);
  }
  const batchSize = Number(definition.batchSize ?? 1_000);
  let rows = 0;
  const batches = connector.stream(operation, input, { signal, batchSize });
  for await (const batch of batchMessages(RED, message, batches, batchSize)) {
    rows += Array.isArray(batch.payload) ? batch.payload.length : 1;
    send(batch);
  }
  return rows;
}

/**
 * The connection of the operation.
 *
 * @throws ConnectorError PROPERTIES_MISSING when none is chosen, PROPERTY_INVALID when none is there
 */
function connectionOf(RED: NodeRedApi, { connection }: OperationDefinition): ConnectionNode {
  if (connection === undefined || connection === '')
    throw new ConnectorError('PROPERTIES_MISSING', { names: 'Connection' });
  const found = connectionNode(RED, connection);
  if (found) return found;
  const problems = `Connection: no ${CONNECTION_TYPE} node with the id ${connection} is deployed.`;
  throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties: ['Connection'] });
}
