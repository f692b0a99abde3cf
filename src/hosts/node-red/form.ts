import type { Manifest } from '../../index.js';

/** A rule that holds while each of the named properties counts as one of its values. */
export type FormCondition = Readonly<Record<string, readonly string[]>>;

/** One way in which a deciding property gets the value that counts; see `x-derivation` of the manifest. */
export interface FormDerivation {
  readonly of: readonly string[];
  readonly given?: readonly string[];
  readonly absent?: readonly string[];
  readonly with?: FormCondition;
  readonly value: string;
}

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
  readonly 'x-derivation'?: readonly FormDerivation[];
  readonly 'x-visibleWhen'?: FormCondition;
  /** One rule, or several of which one is enough. */
  readonly 'x-requiredWhen'?: FormCondition | readonly FormCondition[];
  readonly 'x-instead'?: readonly string[];
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

/** What Node-RED's forms, and the nodes behind them, need of the manifest. */
export interface Form {
  /** Every connection property, in the order of the table. */
  readonly properties: readonly FormProperty[];
  /** Names of the properties that Node-RED keeps in its credential store. */
  readonly secretNames: readonly string[];
  /** Names of the properties that every connection needs. */
  readonly requiredNames: readonly string[];
  /** The sections in the order they are shown; none is empty. */
  readonly groups: readonly FormGroup[];
  /** Every operation, in the order of the manifest. */
  readonly operations: readonly FormOperation[];
  /** How Node-RED shows our nodes. */
  readonly appearance: Manifest['hosts']['node-red'];
}

export function formOf({ connectionSpecification, operations, hosts }: Manifest): Form {
  const schemas = connectionSpecification.properties as Readonly<Record<string, object>>;
  const properties = Object.entries(schemas).map(([name, schema]) => ({ name, ...schema }) as FormProperty);
  const secrets = properties.filter(({ airbyte_secret }) => airbyte_secret === true);
  return {
    properties,
    secretNames: secrets.map(({ name }) => name),
    requiredNames: connectionSpecification.required,
    groups: connectionSpecification.groups.map(({ id, title }) => ({
      id,
      title,
      properties: properties.filter(({ group }) => group === id),
    })),
    operations: operations.map(({ name, title, description, inputSchema }) => ({
      name,
      title,
      description,
      parameters: parametersOf(inputSchema['properties'] as Readonly<Record<string, object>>),
    })),
    appearance: hosts['node-red'],
  };
}

function parametersOf(properties: Readonly<Record<string, object>>): FormParameter[] {
  return Object.entries(properties).map(([name, schema]) => ({ name, ...schema }) as FormParameter);
}
