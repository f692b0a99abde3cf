import { readFileSync, statSync } from 'node:fs';
import { ConnectorError } from '../errors.js';
import { isSendable } from '../server-text.js';
import type { RawProperties } from './connection-string.js';
import { PROPERTIES, takesReference, type Property, type PropertyName } from './properties.js';

/** What resolving may read besides the properties; injected by tests. */
export interface SettingsSources {
  readonly readFile?: (path: string) => string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * The given values, with `@file:PATH` and `@env:NAME` replaced by what they name where the table
 * allows it. Empty values count as not given.
 *
 * @throws ConnectorError PROPERTY_FILE_UNREADABLE, PROPERTY_VARIABLE_MISSING
 */
export function expandReferences(raw: RawProperties, sources: SettingsSources): Map<PropertyName, string> {
  const values = new Map<PropertyName, string>();
  for (const property of PROPERTIES as readonly Property[]) {
    const given = raw[property.name];
    if (given === undefined || given === '') continue;
    values.set(
      property.name,
      takesReference(property) ? expandReference(property.name, given, sources) : given,
    );
  }
  return values;
}

function expandReference(name: PropertyName, value: string, sources: SettingsSources): string {
  if (value.startsWith('@@')) return value.slice(1);
  if (value.startsWith('@file:')) return readTextFile(name, value.slice(6), sources).replace(/\r?\n$/, '');
  if (value.startsWith('@env:')) {
    const variable = value.slice(5);
    const environment = sources.environment ?? process.env;
    const found = Object.hasOwn(environment, variable) ? environment[variable] : undefined;
    if (found === undefined || found === '') {
      const details = { property: name, variable };
      throw new ConnectorError('PROPERTY_VARIABLE_MISSING', details, { properties: [name] });
    }
    return found;
  }
  return value;
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
