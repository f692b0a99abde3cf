import type { Field, Row } from './connection/rows.js';
import type { Result } from './operations/run.js';

/** What a flow gets, whatever the host: the data, and facts about it. */
export interface Message {
  readonly payload: Row[];
  readonly attributes: {
    readonly affectedRows: number;
    readonly fields: readonly Field[];
    /** There were more rows than `MaxRows` allows. */
    readonly truncated?: true;
  };
}

/** `result` as a message. */
export function messageOf({ rows, fields, affectedRows, truncated }: Result): Message {
  return { payload: rows, attributes: { affectedRows, fields, ...(truncated && { truncated }) } };
}
