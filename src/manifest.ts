import { ERROR_TYPES, ERRORS } from './error-table.js';
import { OPERATIONS } from './operations/index.js';
import { RESULT } from './operations/schemas.js';
import { ALWAYS_REQUIRED, loginRequirements } from './requirements.js';
import { DERIVATIONS } from './settings/derivations.js';
import { PROPERTIES, type Property } from './settings/properties.js';
import { isActive, PROPERTY_GROUPS } from './settings/property.js';

const TABLE: readonly Property[] = PROPERTIES;

/** `connector.json`: a valid Airbyte ConnectorSpecification with our own members beside it. */
export type Manifest = ReturnType<typeof manifest>;

/**
 * What a host needs to know about the connector, as data: the connection properties as a flat
 * JSON Schema (draft-07) with `if/then` requirements, the properties of other connectors that are
 * recognised and do nothing, the operations as tool objects of the Model Context Protocol, and the
 * error types. Of our own keywords, `x-visibleWhen` and `x-requiredWhen` say for forms when a
 * property is of use and when it is needed (each named property has one of its values; of several
 * such rules for what is needed one is enough, and `x-instead` can take its place), `x-derivation` which value of such a property counts.
 */
export function manifest() {
  return {
    protocol_version: '0.3.2',
    connectionSpecification: connectionSpecification(),
    unsupportedProperties: unsupportedProperties(),
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

/** A form compares texts, whatever the type of a property. */
const CONDITIONS_COMMENT =
  'Conditions (x-visibleWhen, x-requiredWhen, x-derivation) name values as a connection string has them: as text, those of a boolean as "true" and "false".';

function connectionSpecification() {
  const properties = TABLE.filter(isActive);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: CONDITIONS_COMMENT,
    title: 'PostgreSQL with Microsoft Entra ID',
    type: 'object',
    required: ALWAYS_REQUIRED,
    properties: Object.fromEntries(
      properties.map((property, order) => [property.name, schemaOf(property, order)]),
    ),
    ...loginRequirements(),
    groups: Object.entries(PROPERTY_GROUPS)
      .filter(([id]) => properties.some(({ group }) => group === id))
      .map(([id, title]) => ({ id, title })),
  };
}

function schemaOf(property: Property, order: number): Readonly<Record<string, unknown>> {
  const { name, title, help, group, kind, choices, range, unit, secret } = property;
  const { visibleWhen, required, instead, derived, aliases, refused } = property;
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
    ...(name in DERIVATIONS && { 'x-derivation': DERIVATIONS[name as keyof typeof DERIVATIONS] }),
    ...(aliases && { 'x-aliases': aliases }),
    ...(refused && { 'x-refused': refused }),
    ...(['pem', 'store', 'list'].includes(kind) && { 'x-kind': kind }),
    ...(visibleWhen && { 'x-visibleWhen': visibleWhen }),
    ...(typeof required === 'object' && { 'x-requiredWhen': required }),
    ...(instead && { 'x-instead': instead }),
  };
}

function typeOf({ kind, default: value }: Property): Readonly<Record<string, unknown>> {
  if (kind === 'integer') return { type: 'integer', ...(value !== undefined && { default: Number(value) }) };
  if (kind === 'boolean')
    return { type: 'boolean', ...(value !== undefined && { default: value === 'true' }) };
  return { type: 'string', ...(value !== undefined && { default: value }) };
}

/** Properties of other connectors that do nothing here, each with what happens where it is given. */
function unsupportedProperties() {
  return TABLE.filter((property) => !isActive(property)).map((property) => {
    const { name, title, help, group, aliases, unsupported, inert = '', neutral } = property;
    return {
      name,
      title,
      description: help,
      group: PROPERTY_GROUPS[group],
      effect: unsupported === undefined ? ('noted' as const) : ('refused' as const),
      reason: unsupported ?? inert,
      ...(aliases && { aliases }),
      ...(neutral && { harmless: neutral }),
    };
  });
}
