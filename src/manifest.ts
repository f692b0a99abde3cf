import { ERROR_TYPES, ERRORS } from './error-table.js';
import { OPERATIONS } from './operations/index.js';
import { RESULT } from './operations/schemas.js';
import { PROPERTIES, type Property } from './settings/properties.js';
import { isActive, PROPERTY_GROUPS, type PropertyCondition } from './settings/property.js';

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
  const properties = (PROPERTIES as readonly Property[]).filter(isActive);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'PostgreSQL with Microsoft Entra ID',
    type: 'object',
    required: properties.filter(({ required }) => required === true).map(({ name }) => name),
    properties: Object.fromEntries(
      properties.map((property, order) => [property.name, schemaOf(property, order)]),
    ),
    allOf: conditionalRequirements(properties),
    groups: Object.entries(PROPERTY_GROUPS)
      .filter(([id]) => properties.some(({ group }) => group === id))
      .map(([id, title]) => ({ id, title })),
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
    ...(['pem', 'store', 'list'].includes(property.kind) && { 'x-kind': property.kind }),
    ...(visibleWhen && { 'x-visibleWhen': visibleWhen }),
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
    const given = [name, ...(instead ?? [])].map((one) => ({ required: [one] }));
    return [{ if: schemaOfCondition(required), then: given.length === 1 ? given[0] : { anyOf: given } }];
  });
}

// An absent InitiateOAuth means GETANDREFRESH; any other decider that is absent decides nothing.
function schemaOfCondition(condition: PropertyCondition): Readonly<Record<string, unknown>> {
  const deciders = Object.keys(condition);
  return {
    properties: Object.fromEntries(deciders.map((name) => [name, { enum: condition[name] }])),
    required: deciders.filter((name) => !condition[name]?.includes('GETANDREFRESH')),
  };
}
