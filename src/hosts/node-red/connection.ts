import { ConnectorError, createConnector, type Connector, type Logger } from '../../index.js';
import { PROPERTIES, SECRET_NAMES } from './form.js';
import { nodeError } from './node-error.js';
import type { NodeDefinition, NodeRedApi, RuntimeNode } from './node-red-api.js';
import { CONNECTION_TYPE } from './node-types.js';
import { serveConnectionTest } from './connection-test.js';

/** Registers the config node `pg-entra-connection` and the route behind its Test button. */
export default function register(RED: NodeRedApi): void {
  RED.nodes.registerType(
    CONNECTION_TYPE,
    function (definition) {
      RED.nodes.createNode(this, definition);
      wire(this, definition);
    },
    { credentials: Object.fromEntries(SECRET_NAMES.map((name) => [name, { type: 'password' as const }])) },
  );
  serveConnectionTest(RED);
}

// The settings come from this node alone, never from a message.
function wire(node: RuntimeNode, definition: NodeDefinition): void {
  const properties = propertiesOf(definition);
  let made: Connector | undefined;
  // What failed is tried again at the next call: a file that was missing may be there by then.
  const connector = (): Connector =>
    (made ??= createConnector(substituted({ ...properties, ...node.credentials }), {
      logger: loggerOf(node),
    }));
  const report = (error: unknown): void => node.error(nodeError(error));
  Object.assign(node, { properties, connector });
  try {
    connector();
  } catch (error) {
    report(error);
  }
  node.on('close', (done: () => void) => {
    void Promise.resolve(made?.close()).catch(report).finally(done);
  });
}

/** The non-empty values of `definition` that are connection properties. */
function propertiesOf(definition: NodeDefinition): Record<string, unknown> {
  const given = PROPERTIES.map(({ name }) => [name, definition[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ''));
}

/**
 * `values` as Node-RED has filled them in.
 *
 * @throws ConnectorError PROPERTY_VARIABLE_MISSING where it left a `${NAME}`, since nothing has that name
 */
function substituted(values: Record<string, unknown>): Record<string, unknown> {
  for (const [property, value] of Object.entries(values)) {
    const variable = /^\$\{([^}]+)\}$/.exec(String(value))?.[1];
    if (variable === undefined) continue;
    throw new ConnectorError('PROPERTY_VARIABLE_MISSING', { variable, property }, { properties: [property] });
  }
  return values;
}

function loggerOf(node: RuntimeNode): Logger {
  return {
    error: (line) => node.error(line),
    warn: (line) => node.warn(line),
    info: (line) => node.log(line),
    debug: (line) => node.debug(line),
  };
}
