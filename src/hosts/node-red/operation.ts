import type { NodeRedApi, RuntimeNode } from './node-red-api.js';
import { OPERATION_TYPE, type OperationDefinition } from './node-types.js';

/** Registers the node `pg-entra-operation`. What runs operations is loaded by the first node that is deployed. */
export default function register(RED: NodeRedApi): void {
  RED.nodes.registerType(OPERATION_TYPE, function (definition) {
    RED.nodes.createNode(this, definition);
    wire(RED, this, definition as OperationDefinition);
  });
}

function wire(RED: NodeRedApi, node: RuntimeNode, definition: OperationDefinition): void {
  const loading = import('./operation-runner.js').then(
    ({ OperationRunner }) => new OperationRunner(RED, node, definition),
  );
  loading
    .then((runner) => runner.checkConnection())
    .catch((error: unknown) => node.error(error instanceof Error ? error : String(error)));
  node.on('input', (message, send, done) => {
    loading.then((runner) => runner.run(message, send, done), done);
  });
  node.on('close', (done: () => void) => {
    void loading.then((runner) => runner.close()).then(done, done);
  });
}
