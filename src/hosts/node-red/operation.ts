import { ConnectorError, isConnectorError, messageOf, systemClock } from '../../index.js';
import { nodeError } from './node-error.js';
import type { Done, FlowMessage, NodeRedApi, RuntimeNode, Send } from './node-red-api.js';
import { OPERATION_TYPE, type ConnectionNode, type OperationDefinition } from './node-types.js';
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
  const problem = connectionOf(RED, definition)?.problem;
  if (problem) operations.showProblem(problem.code);
  node.on('input', (message, send, done) => {
    const run = (signal: AbortSignal): Promise<number> =>
      runOperation(RED, node, definition, { message, send, signal });
    operations.run(run, done);
  });
  node.on('close', (done: () => void) => {
    void operations.close().finally(done);
  });
}

function connectionOf(RED: NodeRedApi, { connection }: OperationDefinition): ConnectionNode | undefined {
  return (RED.nodes.getNode(connection) as ConnectionNode | null) ?? undefined;
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
  const connection = connectionOf(RED, definition);
  if (!connection) throw new ConnectorError('PROPERTIES_MISSING', { names: 'Connection' });
  const connector = connection.connector();
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

  showProblem(code: string): void {
    this.#node.status({ fill: 'red', shape: 'ring', text: code });
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
        this.showProblem(isConnectorError(error) ? error.code : 'INTERNAL');
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
