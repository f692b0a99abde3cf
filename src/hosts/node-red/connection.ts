import {
  ConnectorError,
  createConnector,
  explainSettings,
  isConnectorError,
  type Connector,
  type Logger,
} from '../../index.js';
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
  const all = { ...properties, ...node.credentials };
  const problem = problemOf(all);
  const shared = new SharedConnector(() => createConnector(all, { logger: loggerOf(node) }));
  Object.assign(node, { properties, problem, connector: () => shared.get() });
  if (problem) node.error(nodeError(problem));
  node.on('close', (done: () => void) => {
    shared
      .close()
      .catch((error: unknown) => node.error(nodeError(error)))
      .finally(done);
  });
}

/** The non-empty values of `definition` that are connection properties. */
function propertiesOf(definition: NodeDefinition): Record<string, unknown> {
  const given = PROPERTIES.map(({ name }) => [name, definition[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ''));
}

function problemOf(properties: Readonly<Record<string, unknown>>): ConnectorError | undefined {
  try {
    explainSettings(properties);
    return undefined;
  } catch (error) {
    if (isConnectorError(error)) return error;
    throw error;
  }
}

/** One connector for all who ask, made by the first of them. */
class SharedConnector {
  readonly #make: () => Connector;
  #connector: Connector | undefined;
  #closed = false;

  constructor(make: () => Connector) {
    this.#make = make;
  }

  get(): Connector {
    if (this.#closed) throw new ConnectorError('CONNECTOR_CLOSED', {});
    this.#connector ??= this.#make();
    return this.#connector;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connector?.close();
  }
}

function loggerOf(node: RuntimeNode): Logger {
  return {
    error: (line) => node.error(line),
    warn: (line) => node.warn(line),
    info: (line) => node.log(line),
    debug: (line) => node.debug(line),
  };
}
