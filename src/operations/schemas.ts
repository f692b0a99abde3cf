import type { JsonSchema } from './operation.js';

/** Input of the operations that take SQL text. */
export interface SqlInput {
  readonly sql: string;
  readonly parameters?: readonly unknown[];
}

export const SQL_INPUT: JsonSchema = {
  type: 'object',
  properties: {
    sql: {
      type: 'string',
      minLength: 1,
      title: 'SQL',
      description: 'One statement; values stand as $1, $2 … and come from parameters.',
    },
    parameters: {
      type: 'array',
      title: 'Parameters',
      description: 'Values for $1, $2 … in this order.',
      default: [],
    },
  },
  required: ['sql'],
  additionalProperties: false,
};

/** Properties that name a table and its rows, shared by insert and upsert. */
export const TABLE_ROWS: JsonSchema = {
  table: {
    type: 'string',
    minLength: 1,
    title: 'Table',
    description: 'Name of the table, exactly as it was created.',
  },
  schema: {
    type: 'string',
    minLength: 1,
    title: 'Schema',
    description: 'Schema of the table; found by search_path when absent.',
  },
  rows: {
    type: 'array',
    items: { type: 'object' },
    title: 'Rows',
    description:
      'Objects of column name and value; a column that a row leaves out gets its default; an upsert that updates leaves it alone.',
  },
  returning: {
    type: 'array',
    items: { type: 'string', minLength: 1 },
    title: 'Returning',
    description: 'Columns to give back of each written row.',
  },
};

/** What every operation gives. */
export const RESULT: JsonSchema = {
  type: 'object',
  properties: {
    rows: { type: 'array', items: { type: 'object' } },
    fields: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, typeOid: { type: 'integer' } },
        required: ['name', 'typeOid'],
      },
    },
    affectedRows: { type: 'integer', minimum: 0 },
  },
  required: ['rows', 'fields', 'affectedRows'],
};
