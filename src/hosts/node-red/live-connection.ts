import { ConnectorError, createConnector, type Connector, type Logger } from '../../index.js';
import { nodeError } from './node-error.js';
import type { RuntimeNode } from './node-red-api.js';

/** The one connector of a deployed connection node. Its settings come from that node alone, never from a message. */
export class LiveConnection {
  readonly #node: RuntimeNode;
  readonly #properties: Readonly<Record<string, unknown>>;
  #made: Connector | undefined;
  #isClosed = false;

  /** `properties` are those of the deployed node, without the secrets. */
  constructor(node: RuntimeNode, properties: Readonly<Record<string, unknown>>) {
    this.#node = node;
    this.#properties = properties;
  }

  /** Makes the connector, which logs in where ConnectOnOpen asks for it. What fails is an error of the node, and the flows start all the same. */
  async start(): Promise<void> {
    try {
      await this.connector().ready();
    } catch (error) {
      if (!this.#isClosed) this.#report(error);
    }
  }

  /**
   * The connector. What failed is tried again at the next call: a file that was missing may be there by then.
   *
   * @throws ConnectorError of type POSTGRESQL:SETTINGS
   */
  connector(): Connector {
    if (this.#isClosed) throw new ConnectorError('CANCELLED', {});
    this.#made ??= createConnector(substituted({ ...this.#properties, ...this.#node.credentials }), {
      logger: loggerOf(this.#node),
    });
    return this.#made;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#made?.close().catch((error: unknown) => this.#report(error));
  }

  #report(error: unknown): void {
    this.#node.error(nodeError(error));
  }
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
