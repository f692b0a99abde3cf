import { effectsOf } from '../sql/effects.js';
import { statement } from '../sql/statement.js';
import type { Operation } from './operation.js';
import { SQL_INPUT, type SqlInput } from './schemas.js';

export const execute: Operation<SqlInput> = {
  name: 'execute',
  title: 'Execute',
  description:
    'Runs any one statement with parameters and gives the number of affected rows and the rows it returns.',
  inputSchema: SQL_INPUT,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
  plan: ({ sql, parameters }) => ({
    statements: [statement('execute', sql, parameters)],
    writes: true,
    mayWrite: true,
    leavesTrace: !effectsOf(sql).leavesNoTrace,
  }),
};
