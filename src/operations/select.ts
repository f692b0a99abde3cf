import { effectsOf } from '../sql/effects.js';
import { statement } from '../sql/statement.js';
import type { Operation } from './operation.js';
import { SQL_INPUT, type SqlInput } from './schemas.js';

export const select: Operation<SqlInput> = {
  name: 'select',
  title: 'Select',
  description: 'Runs a query with parameters and gives its rows, all at once or in batches.',
  inputSchema: SQL_INPUT,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  plan: ({ sql, parameters }) => {
    const { onlyReads, leavesNoTrace } = effectsOf(sql);
    return {
      statements: [statement('select', sql, parameters)],
      writes: !onlyReads,
      mayWrite: !(onlyReads && leavesNoTrace),
      leavesTrace: !leavesNoTrace,
    };
  },
};
