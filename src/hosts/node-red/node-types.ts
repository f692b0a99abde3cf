import type { Connector, ConnectorError } from '../../index.js';
import type { NodeDefinition, RuntimeNode } from './node-red-api.js';

/** Type names in flows; they are a contract with every exported flow. */
export const CONNECTION_TYPE = 'pg-entra-connection';
export const OPERATION_TYPE = 'pg-entra-operation';

/** A connection config node as operation nodes see it. */
export interface ConnectionNode extends RuntimeNode {
  /** What is wrong with its settings, found without network; undefined when they can be used. */
  readonly problem: ConnectorError | undefined;
  /** The deployed properties, `${VAR}` substituted, without the secrets. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** The one connector of this node, made at the first call. Throws what {@link problem} says. */
  connector(): Connector;
}

/** A value as the editor's typed input stores it. */
export interface TypedValue {
  readonly type: string;
  readonly value: string;
}

/** An operation node in a flow. */
export interface OperationDefinition extends NodeDefinition {
  readonly connection: string;
  readonly operation: string;
  /** By parameter name; a parameter that is not there is not given. */
  readonly input?: Readonly<Record<string, TypedValue>>;
  readonly output?: 'message' | 'batches';
  readonly batchSize?: number | string;
}
