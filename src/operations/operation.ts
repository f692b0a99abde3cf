import type { Statement } from '../sql/statement.js';

/** JSON Schema of an operation's input or output (draft-07, as connector.json publishes it). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What an operation sends: its statements in order, all in one transaction when there are several. */
export interface Plan {
  readonly statements: readonly Statement[];
  /** Whether they change something, as far as their words tell: their rows are then given whole, without `MaxRows`. */
  readonly writes: boolean;
  /** Whether they may have changed something, by a function they call too: decides what a lost answer means. */
  readonly mayWrite: boolean;
  /** Whether something of it may stay in the session (settings, temporary tables …). */
  readonly leavesTrace: boolean;
}

/** Hints for a host or an agent (Model Context Protocol, tool annotations). */
export interface OperationAnnotations {
  /** It changes nothing, so it may be repeated. */
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  /** Repeating it with the same input changes nothing more. */
  readonly idempotentHint: boolean;
}

/**
 * An operation is a declaration and a pure function from input to statements; running them is
 * the same for all. A new one is one file and one line in `index.ts`.
 */
export interface Operation<Input = never> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly annotations: OperationAnnotations;
  /** Builds the statements. Throws OPERATION_INPUT_INVALID or IDENTIFIER_INVALID; no I/O. */
  plan(input: Input): Plan;
}
