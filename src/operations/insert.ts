import { insertStatements, type InsertInput } from '../sql/dml.js';
import type { Operation } from './operation.js';
import { TABLE_ROWS } from './schemas.js';

export const insert: Operation<InsertInput> = {
  name: 'insert',
  title: 'Insert',
  description: 'Inserts rows, all or none.',
  inputSchema: {
    type: 'object',
    properties: TABLE_ROWS,
    required: ['table', 'rows'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  plan: (input) => ({
    statements: insertStatements('insert', input),
    writes: true,
    mayWrite: true,
    leavesTrace: false,
  }),
};
