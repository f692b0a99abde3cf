import { manifest } from '../../index.js';

/** A connection property as connector.json describes it to forms. */
export interface FormProperty {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly group: string;
  readonly order: number;
  readonly enum?: readonly string[];
  readonly default?: string | number | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly airbyte_secret?: true;
  readonly 'x-kind'?: string;
  readonly 'x-unit'?: string;
  readonly 'x-derived'?: string;
  readonly 'x-visibleWhen'?: Readonly<Record<string, readonly string[]>>;
}

/** A parameter of an operation: a property of its input schema. */
export interface FormParameter {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly type: string;
  readonly default?: unknown;
}

/** An operation with its parameters in the order forms show them. */
export interface FormOperation {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly parameters: readonly FormParameter[];
}

/** A section of the connection form. */
export interface FormGroup {
  readonly id: string;
  readonly title: string;
  readonly properties: readonly FormProperty[];
}

const MANIFEST = manifest();

/** Every connection property, in the order of the table. */
export const PROPERTIES: readonly FormProperty[] = Object.entries(
  MANIFEST.connectionSpecification.properties as Readonly<Record<string, object>>,
).map(([name, schema]) => ({ name, ...schema }) as FormProperty);

/** Names of the properties that Node-RED keeps in its credential store. */
export const SECRET_NAMES: readonly string[] = PROPERTIES.filter(
  ({ airbyte_secret }) => airbyte_secret === true,
).map(({ name }) => name);

/** Names of the properties that every connection needs. */
export const REQUIRED_NAMES: readonly string[] = MANIFEST.connectionSpecification.required;

/** The sections in the order they are shown; none is empty. */
export const GROUPS: readonly FormGroup[] = MANIFEST.connectionSpecification.groups
  .map(({ id, title }) => ({ id, title, properties: PROPERTIES.filter(({ group }) => group === id) }))
  .filter(({ properties }) => properties.length > 0);

/** Every operation, in the order of connector.json. */
export const OPERATIONS: readonly FormOperation[] = MANIFEST.operations.map(
  ({ name, title, description, inputSchema }) => ({
    name,
    title,
    description,
    parameters: parametersOf(inputSchema['properties'] as Readonly<Record<string, object>>),
  }),
);

/** The parameters of all operations; one that several operations share stands here once. */
export const PARAMETERS: readonly FormParameter[] = [
  ...new Map(
    OPERATIONS.flatMap(({ parameters }) => parameters.map((parameter) => [parameter.name, parameter])),
  ).values(),
];

/** How Node-RED shows our nodes. */
export const APPEARANCE = MANIFEST.hosts['node-red'];

function parametersOf(properties: Readonly<Record<string, object>>): FormParameter[] {
  return Object.entries(properties).map(([name, schema]) => ({ name, ...schema }) as FormParameter);
}
