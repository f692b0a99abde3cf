import { FORM } from './description.js';
import type { NodeDefinition, NodeRedApi, RuntimeNode } from './node-red-api.js';
import { CONNECTION_TYPE, type ConnectionNode } from './node-types.js';

/**
 * Registers the config node `pg-entra-connection` and the route behind its Test buttons. The
 * connector itself is loaded by the first node that is deployed.
 */
export default function register(RED: NodeRedApi): void {
  RED.nodes.registerType(
    CONNECTION_TYPE,
    function (definition) {
      RED.nodes.createNode(this, definition);
      wire(this, definition);
    },
    {
      credentials: Object.fromEntries(FORM.secretNames.map((name) => [name, { type: 'password' as const }])),
    },
  );
  RED.httpAdmin.post('/pg-entra/test', RED.auth.needsPermission('flows.write'), (request, response) => {
    import('./connection-test.js').then(
      ({ answerTest }) => answerTest(RED, request, response),
      () => response.status(500).json({ error: 'the test could not be loaded' }),
    );
  });
}

function wire(node: RuntimeNode, definition: NodeDefinition): void {
  const properties = propertiesOf(definition);
  const loading = import('./live-connection.js').then(
    ({ LiveConnection }) => new LiveConnection(node, properties),
  );
  const connector: ConnectionNode['connector'] = async () => (await loading).connector();
  Object.assign(node, { properties, connector });
  loading
    .then((live) => live.start())
    .catch((error: unknown) => node.error(error instanceof Error ? error : String(error)));
  node.on('close', (done: () => void) => {
    void loading.then((live) => live.close()).then(done, done);
  });
}

/** The non-empty values of `definition` that are connection properties. */
function propertiesOf(definition: NodeDefinition): Record<string, unknown> {
  const given = FORM.properties.map(({ name }) => [name, definition[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ''));
}
