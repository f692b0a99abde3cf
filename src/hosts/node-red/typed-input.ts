import { ConnectorError } from '../../index.js';
import { FORM } from './description.js';
import type { FlowMessage, NodeRedApi, RuntimeNode } from './node-red-api.js';
import type { OperationDefinition, TypedValue } from './node-types.js';

/**
 * The input of the operation of `definition` for one message: each typed input evaluated, those
 * left empty absent. Only what the node names is taken from the message.
 *
 * @throws ConnectorError OPERATION_INPUT_INVALID when a value cannot be read
 */
export async function readInput(
  RED: NodeRedApi,
  node: RuntimeNode,
  { operation, input = {} }: OperationDefinition,
  message: FlowMessage,
): Promise<Record<string, unknown>> {
  const parameters = FORM.operations.find(({ name }) => name === operation)?.parameters ?? [];
  const values: Record<string, unknown> = {};
  for (const { name, title } of parameters) {
    const typed = input[name];
    if (!typed || isEmpty(typed)) continue;
    values[name] = await evaluate(RED, node, typed, message).catch((error: unknown) => {
      const reason =
        error instanceof Error ? error.message : String((error as { message?: unknown }).message);
      throw new ConnectorError('OPERATION_INPUT_INVALID', { operation, problems: `${title}: ${reason}` });
    });
  }
  return values;
}

function isEmpty({ type, value }: TypedValue): boolean {
  return value === '' && type !== 'bool';
}

function evaluate(
  RED: NodeRedApi,
  node: RuntimeNode,
  { type, value }: TypedValue,
  message: FlowMessage,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    RED.util.evaluateNodeProperty(
      value,
      type,
      node,
      message,
      (error: Error | null | undefined, found: unknown) => {
        if (error) reject(error);
        else resolve(found);
      },
    );
  });
}
