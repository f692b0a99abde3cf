import { Validator } from '@cfworker/json-schema';
import { ConnectorError, describe } from '../errors.js';
import { execute } from './execute.js';
import { insert } from './insert.js';
import type { Operation, Plan } from './operation.js';
import { select } from './select.js';
import { upsert } from './upsert.js';

/** Every operation, in the order hosts list them. */
export const OPERATIONS: readonly Operation[] = [select, insert, upsert, execute];

/** An operation and what it sends for one input. */
export interface PlannedOperation {
  readonly operation: Operation;
  readonly plan: Plan;
}

/**
 * Checks `input` against the schema of operation `name` and builds its statements. No I/O.
 *
 * @throws ConnectorError OPERATION_UNKNOWN, OPERATION_INPUT_INVALID, IDENTIFIER_INVALID
 */
export function planOperation(name: string, input: unknown): PlannedOperation {
  const operation = OPERATIONS.find((candidate) => candidate.name === name);
  if (!operation) {
    throw new ConnectorError('OPERATION_UNKNOWN', {
      name,
      names: OPERATIONS.map((known) => known.name).join(', '),
    });
  }
  const given = withoutUndefined(input);
  requireValid(operation, given);
  return { operation, plan: operation.plan(given as never) };
}

function withoutUndefined(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

const validators = new Map<string, Validator>();

function validatorOf({ name, inputSchema }: Operation): Validator {
  const known = validators.get(name);
  if (known) return known;
  const made = new Validator(inputSchema, '7', false);
  validators.set(name, made);
  return made;
}

function requireValid(operation: Operation, input: unknown): void {
  const problems = problemsOf(validatorOf(operation), input);
  if (problems !== '')
    throw new ConnectorError('OPERATION_INPUT_INVALID', { operation: operation.name, problems });
}

const SHOWN_PROBLEMS = 5;
/** Keywords whose error only repeats that of what stands below them. */
const REPEATING = ['properties', 'items', 'additionalProperties'];

function problemsOf(validator: Validator, input: unknown): string {
  try {
    return validator
      .validate(input)
      .errors.filter(({ keyword }) => !REPEATING.includes(keyword))
      .slice(0, SHOWN_PROBLEMS)
      .map(({ keyword, instanceLocation, error }) => {
        const place = instanceLocation.replace(/^#\/?/, '');
        return `${place === '' ? 'input' : place}: ${keyword === 'false' ? 'unknown property' : wordsOf(error)}`;
      })
      .join('; ');
  } catch (error) {
    // Values that JSON does not know (functions, symbols) make the validator throw.
    return withoutFullStop(describe(error));
  }
}

// "sql: Instance type …": the place stands before it.
function wordsOf(error: string): string {
  const words = error.replace(/^Instance does not have required property (".*")/, '$1 is missing');
  return withoutFullStop(words.replace(/^Instance /, ''));
}

function withoutFullStop(sentence: string): string {
  return sentence.replace(/\.$/, '');
}
