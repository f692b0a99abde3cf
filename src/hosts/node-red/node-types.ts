import type { Connector } from '../../index.js';
import type { NodeDefinition, NodeRedApi, RuntimeNode } from './node-red-api.js';

/** Type names in flows; they are a contract with every exported flow. */
export const CONNECTION_TYPE = 'pg-entra-connection';
export const OPERATION_TYPE = 'pg-entra-operation';

/** A connection config node as operation nodes see it. */
export interface ConnectionNode extends RuntimeNode {
  /** The deployed properties, `${VAR}` substituted, without the secrets. */
  readonly properties: Readonly<Record<string, unknown>>;
  /**
   * The one connector of this node.
   *
   * @throws ConnectorError of type POSTGRESQL:SETTINGS while its settings cannot be used
   */
  connector(): Promise<Connector>;
}

/** The deployed connection node `id`; undefined when there is none, or `id` is a node of another type. */
export function connectionNode(RED: NodeRedApi, id: string): ConnectionNode | undefined {
  const node = RED.nodes.getNode(id);
  return node?.type === CONNECTION_TYPE ? (node as ConnectionNode) : undefined;
}

/** A value as the editor's typed input stores it. */
export interface TypedValue {
  readonly type: string;
  readonly value: string;
}

/** An operation node in a flow. */
export interface OperationDefinition extends NodeDefinition {
  readonly connection?: string;
  readonly operation: string;
  /** By parameter name; a parameter that is not there is not given. */
  readonly input?: Readonly<Record<string, TypedValue>>;
  readonly output?: 'message' | 'batches';
  readonly batchSize?: number | string;
}
