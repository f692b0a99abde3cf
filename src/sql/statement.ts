import { ConnectorError } from '../errors.js';

/** SQL text with positional parameters `$1 … $n` and their values, in that order. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The protocol counts parameters in 16 bits (PostgreSQL documentation, section 54.7, Bind). */
export const MOST_PARAMETERS = 65_535;

/**
 * A statement whose text and values can be sent without being changed on the way.
 *
 * @throws ConnectorError OPERATION_INPUT_INVALID for U+0000 or half of a surrogate pair in text,
 *   for too many values, and for values that have no SQL form (functions, symbols, invalid dates)
 */
export function statement(operation: string, text: string, values: readonly unknown[] = []): Statement {
  const problems: string[] = [];
  if (!isSendable(text)) problems.push(`sql ${UNSENDABLE}`);
  if (values.length > MOST_PARAMETERS) problems.push(`more than ${String(MOST_PARAMETERS)} parameters`);
  values.forEach((value, index) => {
    const problem = problemOf(value);
    if (problem !== undefined) problems.push(`parameter ${String(index + 1)} ${problem}`);
  });
  if (problems.length > 0) {
    throw new ConnectorError('OPERATION_INPUT_INVALID', {
      operation,
      problems: problems.slice(0, 10).join('; '),
    });
  }
  return { text, values };
}

const UNSENDABLE = 'holds U+0000 or half of a surrogate pair';

function isSendable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === 'string') return isSendable(value) ? undefined : UNSENDABLE;
  if (typeof value === 'function' || typeof value === 'symbol') return `is a ${typeof value}`;
  if (value instanceof Date && Number.isNaN(value.getTime())) return 'is an invalid date';
  return undefined;
}
