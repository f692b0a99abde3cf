import { ERROR_TYPES, ERRORS } from './error-table.js';
import { OPERATIONS } from './operations/index.js';
import { RESULT } from './operations/schemas.js';
import { PROPERTIES, PROPERTY_GROUPS, type Property, type PropertyCondition } from './settings/properties.js';

/** `connector.json`: a valid Airbyte ConnectorSpecification with our own members beside it. */
export type Manifest = ReturnType<typeof manifest>;

/**
 * What a host needs to know about the connector, as data: the connection properties as a flat
 * JSON Schema (draft-07) with `if/then` requirements, the operations as tool objects of the Model
 * Context Protocol, and the error types.
 */
export function manifest() {
  return {
    protocol_version: '0.3.2',
    connectionSpecification: connectionSpecification(),
    connector: {
      id: 'postgresql-entra',
      name: '@pg-entra/connector',
      title: 'PostgreSQL with Microsoft Entra ID',
      categories: ['database'],
    },
    operations: OPERATIONS.map(({ name, title, description, inputSchema, annotations }) => ({
      name,
      title,
      description,
      inputSchema,
      outputSchema: RESULT,
      annotations,
    })),
    sources: [],
    errors: Object.entries(ERROR_TYPES).map(([type, { parent, description, exitCode }]) => ({
      type,
      parent,
      description,
      exitCode,
      codes: Object.entries(ERRORS)
        .filter(([, facts]) => facts.type === type)
        .map(([code, { retryable, message, cure }]) => ({ code, retryable, message, cure })),
    })),
    hosts: { 'node-red': { category: 'storage', color: '#6d9bc3' } },
  };
}

/** The text of `connector.json`. */
export function renderManifest(): string {
  return `${JSON.stringify(manifest(), null, 2)}\n`;
}

function connectionSpecification() {
  const properties: readonly Property[] = PROPERTIES;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'PostgreSQL with Microsoft Entra ID',
    type: 'object',
    required: properties.filter(({ required }) => required === true).map(({ name }) => name),
    properties: Object.fromEntries(
      properties.map((property, order) => [property.name, schemaOf(property, order)]),
    ),
    allOf: conditionalRequirements(properties),
    groups: Object.entries(PROPERTY_GROUPS).map(([id, title]) => ({ id, title })),
  };
}

function schemaOf(property: Property, order: number): Readonly<Record<string, unknown>> {
  const { title, help, group, choices, range, unit, secret, visibleWhen, derived, aliases } = property;
  return {
    title,
    description: help,
    ...typeOf(property),
    ...(choices && { enum: choices }),
    ...(range && { minimum: range[0], maximum: range[1] }),
    ...(secret && { airbyte_secret: true }),
    order,
    group,
    ...(unit !== undefined && { 'x-unit': unit }),
    ...(derived !== undefined && { 'x-derived': derived }),
    ...(aliases && { 'x-aliases': aliases }),
    ...(property.kind === 'pem' && { 'x-kind': 'pem' }),
    ...(visibleWhen && { 'x-visibleWhen': { [visibleWhen.property]: visibleWhen.in } }),
  };
}

function typeOf({ kind, default: value }: Property): Readonly<Record<string, unknown>> {
  if (kind === 'integer') return { type: 'integer', ...(value !== undefined && { default: Number(value) }) };
  if (kind === 'boolean')
    return { type: 'boolean', ...(value !== undefined && { default: value === 'true' }) };
  return { type: 'string', ...(value !== undefined && { default: value }) };
}

function conditionalRequirements(properties: readonly Property[]): Readonly<Record<string, unknown>>[] {
  return properties.flatMap(({ name, required, instead }) => {
    if (typeof required !== 'object') return [];
    const given = [name, instead].flatMap((one) => (one === undefined ? [] : [{ required: [one] }]));
    return [{ if: schemaOfCondition(required), then: given.length === 1 ? given[0] : { anyOf: given } }];
  });
}

function schemaOfCondition({ property, in: values }: PropertyCondition): Readonly<Record<string, unknown>> {
  return { properties: { [property]: { enum: values } }, required: [property] };
}
