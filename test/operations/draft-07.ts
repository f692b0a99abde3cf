import { Validator, type Schema } from '@cfworker/json-schema';

const text = { type: 'string' };
const bool = { type: 'boolean' };
const count = { type: 'integer', minimum: 0 };
const schema = { $ref: '#' };
const schemas = { type: 'array', minItems: 1, items: schema };
const names = { type: 'array', items: text, uniqueItems: true };
const byName = { type: 'object', additionalProperties: schema };
const TYPE = { enum: ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] };

/**
 * The meta-schema of JSON Schema draft-07 (http://json-schema.org/draft-07/schema), for the
 * keywords that we use, and stricter: a keyword that neither stands here nor is one of Airbyte's
 * or our own (`x-…`) is taken for a misspelling.
 */
const META = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    $schema: text,
    $comment: text,
    title: text,
    description: text,
    type: { anyOf: [TYPE, { type: 'array', items: TYPE, minItems: 1, uniqueItems: true }] },
    enum: { type: 'array', minItems: 1, uniqueItems: true },
    const: true,
    default: true,
    minimum: { type: 'number' },
    maximum: { type: 'number' },
    minLength: count,
    maxLength: count,
    pattern: { type: 'string', format: 'regex' },
    items: schema,
    minItems: count,
    maxItems: count,
    uniqueItems: bool,
    properties: byName,
    definitions: byName,
    $ref: text,
    additionalProperties: { anyOf: [bool, schema] },
    required: names,
    allOf: schemas,
    anyOf: schemas,
    oneOf: schemas,
    not: schema,
    if: schema,
    then: schema,
    else: schema,
    airbyte_secret: bool,
    order: count,
    group: text,
    groups: { type: 'array' },
  },
  patternProperties: { '^x-': true },
  additionalProperties: false,
};

export const DRAFT_07 = new Validator(META as Schema, '7', false);
