import { ConnectorError, isConnectorError, messageOf, systemClock } from '../../index.js';
import { nodeError } from './node-error.js';
import type { Done, FlowMessage, NodeRedApi, RuntimeNode, Send } from './node-red-api.js';
import {
  CONNECTION_TYPE,
  connectionNode,
  OPERATION_TYPE,
  type ConnectionNode,
  type OperationDefinition,
} from './node-types.js';
import { batchMessages } from './sequence.js';
import { readInput } from './typed-input.js';

/** Registers the node `pg-entra-operation`. */
export default function register(RED: NodeRedApi): void {
  RED.nodes.registerType(OPERATION_TYPE, function (definition) {
    RED.nodes.createNode(this, definition);
    wire(RED, this, definition as OperationDefinition);
  });
}

function wire(RED: NodeRedApi, node: RuntimeNode, definition: OperationDefinition): void {
  const operations = new RunningOperations(node);
  try {
    connectionOf(RED, definition).connector();
  } catch (error) {
    operations.showProblem(error);
  }
  node.on('input', (message, send, done) => {
    const run = (signal: AbortSignal): Promise<number> =>
      runOperation(RED, node, definition, { message, send, signal });
    operations.run(run, done);
  });
  node.on('close', (done: () => void) => {
    void operations.close().finally(done);
  });
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
  const connector = connectionOf(RED, definition).connector();
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

const CLOSE_GRACE_MS = 2_000;

/** The operations of one node that are under way, and its status line. */
class RunningOperations {
  readonly #node: RuntimeNode;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(node: RuntimeNode) {
    this.#node = node;
  }

  /** Runs `operation` and calls `done` once, whatever happens. */
  run(operation: (signal: AbortSignal) => Promise<number>, done: Done): void {
    const running = this.#settle(operation).then((finish) => {
      this.#running.delete(running);
      finish(done);
    });
    this.#running.add(running);
    this.#showRunning();
  }

  showProblem(error: unknown): void {
    const text = isConnectorError(error) ? error.code : 'INTERNAL';
    this.#node.status({ fill: 'red', shape: 'ring', text });
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

  /** How to tell the node and its flow about the end of `operation`. Never rejects. */
  async #settle(operation: (signal: AbortSignal) => Promise<number>): Promise<(done: Done) => void> {
    const startedAtMs = systemClock.steadyMs();
    try {
      const rows = await operation(this.#closing.signal);
      const ms = Math.round(systemClock.steadyMs() - startedAtMs);
      return (done) => {
        this.#showDone(rows, ms);
        done();
      };
    } catch (error) {
      return (done) => {
        this.showProblem(error);
        done(nodeError(error));
      };
    }
  }

  #showRunning(): void {
    this.#node.status({ fill: 'blue', shape: 'ring', text: `running ${this.#running.size}` });
  }

  #showDone(rows: number, ms: number): void {
    if (this.#running.size > 0) this.#showRunning();
    else this.#node.status({ fill: 'green', shape: 'dot', text: `${rows} rows ${ms} ms` });
  }
}
