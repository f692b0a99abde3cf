import { formatConnectionString, manifest, parseConnectionString } from '../../../index.js';
import { json, renderRows, type Format } from '../output.js';
import { addCommand, formatOption, type Shell } from '../shell.js';

interface PropertiesOptions {
  readonly all: boolean;
  readonly format: Format;
}

type Schema = Readonly<Record<string, unknown>>;
type Condition = Readonly<Record<string, readonly string[]>>;

/** In a table of all; what is cut off stands with the one property. */
const LONGEST = { values: 36, default: 36, meaning: 120 };

/** `properties`: what a connection can be told; without a connection. */
export function addProperties(shell: Shell): void {
  const { io } = shell;
  addCommand(shell, 'properties', 'List the connection properties, or explain one.')
    .argument('[name]', 'name of a property, in any accepted form')
    .option('--all', 'also those of other connectors that do nothing here, and why', false)
    .addOption(formatOption('table'))
    .action((name: string | undefined, { all, format }: PropertiesOptions) => {
      if (name !== undefined) io.out(explain(canonicalName(name), format));
      else if (format === 'json') io.out(json(all ? { ...active(), ...unsupported() } : active()));
      else
        io.out(
          renderRows([...activeRows(), ...(all ? unsupportedRows() : [])], format, { longest: LONGEST }),
        );
    });
}

function active(): Readonly<Record<string, Schema>> {
  return manifest().connectionSpecification.properties;
}

function unsupported(): Readonly<Record<string, Schema>> {
  return Object.fromEntries(manifest().unsupportedProperties.map(({ name, ...facts }) => [name, facts]));
}

/** The property that `name` stands for. Throws UNKNOWN_PROPERTY with what was probably meant. */
function canonicalName(name: string): string {
  const [canonical = name] = Object.keys(parseConnectionString(formatConnectionString({ [name]: 'x' })));
  return canonical;
}

function activeRows() {
  const { required } = manifest().connectionSpecification;
  return Object.entries(active()).map(([property, schema]) => ({
    property,
    values: valuesOf(schema),
    default: schema['default'] ?? schema['x-derived'] ?? '',
    required: required.some((name) => name === property) ? 'yes' : '',
    secret: schema['airbyte_secret'] === true ? 'yes' : '',
    meaning: schema['description'],
  }));
}

function unsupportedRows() {
  return manifest().unsupportedProperties.map(({ name, effect, reason }) => ({
    property: name,
    values: `(${effect})`,
    default: '',
    required: '',
    secret: '',
    meaning: `${reason}.`,
  }));
}

/** Everything there is to say about one property, a line per fact. */
function explain(name: string, format: Format): string {
  const schema = active()[name] ?? unsupported()[name] ?? {};
  if (format === 'json') return json({ name, ...schema });
  const facts = factsOf(name, schema).filter(([, text]) => text !== '');
  if (format !== 'table')
    return renderRows(
      facts.map(([fact, text]) => ({ fact, text })),
      format,
    );
  const lines = facts.map(([fact, text]) => `  ${`${fact}:`.padEnd(10)} ${text}\n`);
  return `${name}\n  ${String(schema['description'])}\n${lines.join('')}`;
}

function factsOf(name: string, schema: Schema): (readonly [fact: string, text: string])[] {
  const refused = Object.entries((schema['x-refused'] ?? {}) as Readonly<Record<string, string>>);
  return [
    ['Values', valuesOf(schema)],
    ['Default', textOf(schema['default'] ?? schema['x-derived'])],
    ['Unit', textOf(schema['x-unit'])],
    ['Aliases', textOf(schema['aliases'] ?? schema['x-aliases'])],
    ['Needed', neededOf(name, schema)],
    ['Counts', conditionText(schema['x-visibleWhen'])],
    ['Secret', schema['airbyte_secret'] === true ? 'yes; may be given as @file:PATH or @env:NAME' : ''],
    ...refused.map(([value, reason]) => ['Refused', `${value}: ${reason}`] as const),
    ['Given', textOf(schema['effect'])],
    ['Why', textOf(schema['reason'])],
    ['Harmless', textOf(schema['harmless'])],
  ];
}

function valuesOf(schema: Schema): string {
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number };
  if (schema['enum'] !== undefined) return textOf(schema['enum']);
  if (minimum !== undefined) return `${String(minimum)} to ${String(maximum)}`;
  return schema['type'] === 'boolean' ? 'true, false' : '';
}

function neededOf(name: string, schema: Schema): string {
  if (manifest().connectionSpecification.required.some((each) => each === name)) return 'always';
  const instead = (schema['x-instead'] ?? []) as readonly string[];
  const condition = conditionText(schema['x-requiredWhen']);
  return instead.length === 0 ? condition : `${condition}; or ${instead.join(' or ')} in its place`;
}

function conditionText(condition: unknown): string {
  return [(condition ?? []) as Condition | Condition[]]
    .flat()
    .map((each) =>
      Object.entries(each)
        .map(([decider, values]) => `with ${decider} ${values.join(', ')}`)
        .join('; '),
    )
    .join('; or ');
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
}
