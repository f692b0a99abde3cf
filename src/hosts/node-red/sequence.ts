import { systemClock, type Row } from '../../index.js';
import type { FlowMessage, NodeRedApi } from './node-red-api.js';

/** The members of a message sequence, as Node-RED's split and join nodes define them. */
interface Parts {
  readonly id: string;
  readonly index: number;
  readonly type: 'array';
  /** Rows of a full batch. */
  readonly len: number;
  /** Messages of the sequence; known, and given, with the last one. */
  readonly count?: number;
}

type BatchMessage = FlowMessage & { payload: unknown; parts: Parts; complete?: true };

/**
 * One message per batch, each a fresh copy of `input` with the rows as payload and without the
 * attributes of an earlier result; the last one says
 * how many there were and `complete`. No rows at all are one message with an empty payload. As
 * after a split node, a batch of size 1 is the row itself.
 */
export async function* batchMessages(
  RED: NodeRedApi,
  input: FlowMessage,
  batches: AsyncIterable<Row[]>,
  batchSize: number,
): AsyncGenerator<BatchMessage, void, undefined> {
  const id = RED.util.generateId();
  const messageOf = (rows: Row[], index: number, last: boolean): BatchMessage => ({
    ...copyWithoutResult(RED, input),
    payload: batchSize === 1 && rows.length === 1 ? rows[0] : rows,
    parts: { id, index, type: 'array', len: batchSize, ...(last && { count: index + 1 }) },
    ...(last && { complete: true }),
  });
  let index = 0;
  let held: Row[] | undefined;
  for await (const rows of batches) {
    if (held) {
      yield messageOf(held, index, false);
      index += 1;
      await nextTurn();
    }
    held = rows;
  }
  yield messageOf(held ?? [], index, true);
}

// What an operation before this one left is not copied for each batch, and an outer sequence ends
// here: a join node takes the mere presence of `complete` for the end.
function copyWithoutResult(RED: NodeRedApi, input: FlowMessage): FlowMessage {
  const rest = { ...input };
  delete rest.payload;
  delete rest['attributes'];
  delete rest['parts'];
  delete rest['complete'];
  return RED.util.cloneMessage(rest);
}

// Node-RED knows no back-pressure: what follows in the flow gets its turn between two batches.
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(0, resolve);
  });
}
