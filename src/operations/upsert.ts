import { upsertStatements, type UpsertInput } from '../sql/dml.js';
import type { Operation } from './operation.js';
import { TABLE_ROWS } from './schemas.js';

export const upsert: Operation<UpsertInput> = {
  name: 'upsert',
  title: 'Upsert',
  description: 'Inserts rows and updates those whose key exists already, all or none.',
  inputSchema: {
    type: 'object',
    properties: {
      ...TABLE_ROWS,
      conflictColumns: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        minItems: 1,
        title: 'Conflict columns',
        description: 'Columns of the primary key or of a unique index that tells whether a row exists.',
      },
      skipUnchanged: {
        type: 'boolean',
        default: false,
        title: 'Skip unchanged',
        description:
          'Leave rows alone that would not change; they do not count as affected. Not for columns of type json.',
      },
    },
    required: ['table', 'rows', 'conflictColumns'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  plan: (input) => ({
    statements: upsertStatements('upsert', input),
    writes: true,
    mayWrite: true,
    leavesTrace: false,
  }),
};
