import { isDate } from 'node:util/types';
import { ConnectorError } from '../errors.js';
import { isSendable, UNSENDABLE } from '../server-text.js';

/** SQL text with positional parameters `$1 … $n` and their values, in that order. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The protocol counts parameters in 16 bits (PostgreSQL documentation, section 54.7, Bind). */
export const MOST_PARAMETERS = 65_535;

/**
 * A statement whose text and values can be sent without being changed on the way. Objects become
 * JSON here, so that nothing in a value decides how it is sent.
 *
 * @throws ConnectorError OPERATION_INPUT_INVALID for U+0000 or half of a surrogate pair in text,
 *   for too many values, and for values that have no SQL form (functions, symbols, invalid dates,
 *   maps, objects that cannot be JSON, bytes that were transferred elsewhere)
 */
export function statement(operation: string, text: string, values: readonly unknown[] = []): Statement {
  const problems: string[] = [];
  if (!isSendable(text)) problems.push(`sql ${UNSENDABLE}`);
  if (values.length > MOST_PARAMETERS) problems.push(`more than ${String(MOST_PARAMETERS)} parameters`);
  const sent = values.map((value, index) =>
    parameterOf(value, (problem) => problems.push(`parameter ${String(index + 1)} ${problem}`)),
  );
  if (problems.length > 0) {
    throw new ConnectorError('OPERATION_INPUT_INVALID', {
      operation,
      problems: problems.slice(0, 10).join('; '),
    });
  }
  return { text, values: sent };
}

type Refuse = (problem: string) => void;

function parameterOf(value: unknown, refuse: Refuse, dimensions = 0): unknown {
  switch (typeof value) {
    case 'string':
      if (!isSendable(value)) refuse(UNSENDABLE);
      return value;
    case 'number':
      return Object.is(value, -0) ? '-0' : value; // the driver would send 0
    case 'function':
    case 'symbol':
      refuse(`is a ${typeof value}`);
      return undefined;
    case 'object':
      return value === null ? null : objectParameter(value, refuse, dimensions);
    default:
      return value;
  }
}

/** Dimensions of an array (PostgreSQL source, MAXDIM). */
const MOST_DIMENSIONS = 6;

function objectParameter(value: object, refuse: Refuse, dimensions: number): unknown {
  if (Array.isArray(value)) {
    if (dimensions < MOST_DIMENSIONS)
      return value.map((element) => parameterOf(element, refuse, dimensions + 1));
    refuse(`has more than ${String(MOST_DIMENSIONS)} dimensions`);
    return undefined;
  }
  if (ArrayBuffer.isView(value)) {
    if (isDetached(value)) refuse('is a view of a buffer that was transferred');
    return value;
  }
  if (!isDate(value)) return jsonOf(value, refuse);
  if (Number.isNaN(value.getTime())) refuse('is an invalid date');
  return value;
}

function isDetached({ buffer }: ArrayBufferView): boolean {
  try {
    return new Uint8Array(buffer).buffer !== buffer;
  } catch {
    return true;
  }
}

// Objects of another realm (a function node's sandbox) are told by their tag, not by instanceof.
function jsonOf(value: object, refuse: Refuse): string | undefined {
  try {
    const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
    const hasJson = kind === 'Object' || typeof (value as { toJSON?: unknown }).toJSON === 'function';
    const json = hasJson ? (JSON.stringify(value) as string | undefined) : undefined;
    if (json === undefined) refuse(`is a ${kind}, which has no SQL form`);
    return json;
  } catch {
    refuse('cannot be written as JSON');
    return undefined;
  }
}
