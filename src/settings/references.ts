import { readFileSync, statSync } from 'node:fs';
import { ConnectorError, isConnectorError } from '../errors.js';
import { isSendable } from '../server-text.js';
import { HIDDEN_NAME, type RawProperties } from './raw-properties.js';
import { PROPERTIES, type Property, type PropertyName } from './properties.js';
import type { Problems } from './problems.js';
import { isActive, takesReference } from './property.js';

/** What resolving may read besides the properties; injected by tests. */
export interface SettingsSources {
  readonly readFile?: (path: string) => string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A given value, with the file or the variable that it was read from. */
export interface GivenValue {
  readonly text: string;
  readonly file?: string;
  readonly variable?: string;
}

/**
 * The given values, with `@file:PATH` and `@env:NAME` replaced by what they name where the table
 * allows it; of a key store, which need not be text, only the path is taken. Empty values count as
 * not given. What cannot be read, and a reference where the table allows none, goes to `problems`;
 * the value is then empty.
 */
export function expandReferences(
  raw: RawProperties,
  sources: SettingsSources,
  problems: Problems,
): Map<PropertyName, GivenValue> {
  const values = new Map<PropertyName, GivenValue>();
  for (const property of PROPERTIES as readonly Property[]) {
    const given = raw[property.name];
    if (given === undefined || given === '') continue;
    values.set(property.name, givenValue(property, given, sources, problems));
  }
  return values;
}

function givenValue(
  property: Property,
  value: string,
  sources: SettingsSources,
  problems: Problems,
): GivenValue {
  const { name } = property;
  if (value.startsWith('@@')) return { text: value.slice(1) };
  if (!/^@(file|env):/.test(value) || !isActive(property)) return { text: value };
  if (!takesReference(property)) {
    problems.reference(name);
    return { text: '' };
  }
  try {
    return expandReference(property, value, sources);
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    problems.unread(name, error);
    return { text: '' };
  }
}

function expandReference({ name, kind }: Property, value: string, sources: SettingsSources): GivenValue {
  if (value.startsWith('@file:')) {
    const file = value.slice(6);
    return kind === 'store' ? { text: file, file } : { text: readSecretFile(name, file, sources), file };
  }
  const variable = value.slice('@env:'.length);
  return { text: variableOf(name, variable, sources), variable };
}

function variableOf(
  name: PropertyName,
  variable: string,
  { environment = process.env }: SettingsSources,
): string {
  const found = Object.hasOwn(environment, variable) ? environment[variable] : undefined;
  if (found !== undefined && found !== '') return found;
  // What is no name may be the rest of a connection string whose semicolons are missing.
  const details = { property: name, variable: /^\w{1,128}$/.test(variable) ? variable : HIDDEN_NAME };
  throw new ConnectorError('PROPERTY_VARIABLE_MISSING', details, { properties: [name] });
}

/**
 * The secret in the file at `path`: its text without the line end that editors add.
 *
 * @throws ConnectorError PROPERTY_FILE_UNREADABLE naming the property
 */
export function readSecretFile(name: PropertyName, path: string, sources: SettingsSources = {}): string {
  return readTextFile(name, path, sources).replace(/\r?\n$/, '');
}

/** Text of the UTF-8 file at `path`, at most 1 MiB. Throws PROPERTY_FILE_UNREADABLE naming the property. */
export function readTextFile(name: PropertyName, path: string, sources: SettingsSources): string {
  const read = sources.readFile ?? readSmallFile;
  try {
    const text = read(path).replace(/^\ufeff/, '');
    if (text.trim() === '') throw withReason('empty');
    if (!isSendable(text)) throw withReason('not text in UTF-8');
    return text;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ConnectorError('PROPERTY_FILE_UNREADABLE', { property: name, reason }, { properties: [name] });
  }
}

const LARGEST_FILE = 1_048_576;

// Only a regular file is opened: reading a pipe or a device could wait for ever.
function readSmallFile(path: string): string {
  const stats = statSync(path);
  if (!stats.isFile()) throw withReason('not a regular file');
  if (stats.size > LARGEST_FILE) throw withReason('larger than 1 MiB');
  return readFileSync(path, 'utf8');
}

// Takes the place of the system's error code.
function withReason(code: string): Error {
  return Object.assign(new Error(), { code });
}
