import { closest, distance } from 'fastest-levenshtein';
import { ConnectorError, printable } from '../errors.js';
import { firstUnsendable, isSendable, UNSENDABLE } from '../server-text.js';
import { findProperty, PROPERTIES, type Property, type PropertyName } from './properties.js';

/** Canonical property name to text, as given: no prototype, no defaults, references not resolved. */
export type RawProperties = Partial<Record<PropertyName, string>>;

/** Something the person who wrote the settings should know; never holds a value. */
export interface SettingsNote {
  readonly property: PropertyName;
  readonly text: string;
}

/** Raw properties and what was noticed while reading them. */
export interface ReadProperties {
  readonly properties: RawProperties;
  /** The name that a property was given by, where it is an alias. */
  readonly aliases: ReadonlyMap<PropertyName, string>;
  readonly notes: readonly SettingsNote[];
}

const LONGEST_TEXT = 1_048_576;

/**
 * Reads `Name=Value;Name=Value` by the rules of ADO.NET connection strings: names in any case,
 * with or without blanks; blanks round names and values do not count; a value that holds `;`, a
 * quote or outer blanks stands in `"…"`, `'…'` or `{…}` with the closing character doubled inside;
 * `==` in a name is a literal `=` (so a value that starts with `=` is quoted too); the last of two
 * equal names wins; `Name=` leaves the property unset. Linear in the length of `text`, at most 1 MiB.
 *
 * @throws ConnectorError CONNECTION_STRING_MALFORMED (with the offset, never with a value) or
 *   UNKNOWN_PROPERTY (naming all unknown ones and what was probably meant)
 */
export function parseConnectionString(text: string): RawProperties {
  return readConnectionString(text).properties;
}

/** {@link parseConnectionString} together with notes on aliases and repeated names. */
export function readConnectionString(text: string): ReadProperties {
  if (text.length > LONGEST_TEXT) throw malformed('it is longer than 1 MiB', LONGEST_TEXT);
  if (/^\s*[a-z][a-z0-9+.-]*:/i.test(text)) throw malformed('it is a URI, not Name=Value pairs,', 0);
  const bad = firstUnsendable(text);
  if (bad >= 0) throw malformed(`it ${UNSENDABLE}`, bad);
  return canonical(pairsOf(text));
}

/** The same for properties that a host gives as an object; numbers and booleans become text, null and undefined are unset. */
export function readPropertyObject(object: Readonly<Record<string, unknown>>): ReadProperties {
  const pairs: [string, string][] = [];
  const unusable: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined || value === null) continue;
    const text = textOf(value);
    if (text === undefined || !isSendable(text) || text.length > LONGEST_TEXT) unusable.push(name);
    else pairs.push([name, text]);
  }
  if (unusable.length > 0) {
    const names = unusable.slice(0, MOST_SHOWN_NAMES).map(shown);
    const problems = names
      .map((name) => `${name} is not text of at most 1 MiB without U+0000 and halves of surrogate pairs.`)
      .join(' ');
    throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties: names });
  }
  return canonical(pairs);
}

/**
 * The connection string that {@link parseConnectionString} reads back as `properties`, which may
 * use any accepted name. Values stand as they are: mask secrets before if it is for eyes.
 */
export function formatConnectionString(properties: Readonly<Record<string, unknown>>): string {
  return Object.entries(readPropertyObject(properties).properties)
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(';');
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return undefined;
}

function quoted(value: string): string {
  const plain = value !== '' && !/[;"'{}]/.test(value) && !/^[ \t\r\n=]|[ \t\r\n]$/.test(value);
  return plain ? value : `"${value.replaceAll('"', '""')}"`;
}

function canonical(pairs: Iterable<readonly [string, string | undefined]>): ReadProperties {
  const given = new Map<PropertyName, string | undefined>();
  const notes = new Map<string, SettingsNote>();
  const aliases = new Map<PropertyName, string>();
  const unknown: string[] = [];
  for (const [name, value] of pairs) {
    const property = findProperty(name);
    if (!property) {
      unknown.push(name);
      continue;
    }
    const note = (text: string): void => {
      notes.set(text, { property: property.name, text });
    };
    if (given.has(property.name)) note(`${property.name} is given more than once; the last value counts.`);
    aliases.delete(property.name);
    if (isAlias(property, name)) {
      aliases.set(property.name, printable(name.trim()));
      note(`${printable(name.trim())} is read as ${property.name}.`);
    }
    given.set(property.name, value);
  }
  if (unknown.length > 0) throw unknownProperties(unknown);
  const set = [...given].filter(([, value]) => value !== undefined);
  const properties = Object.assign(Object.create(null), Object.fromEntries(set)) as RawProperties;
  return { properties, aliases, notes: [...notes.values()] };
}

function isAlias(property: Property, name: string): boolean {
  const bare = (text: string): string => text.replace(/\s/g, '').toLowerCase();
  return bare(name) !== bare(property.name);
}

const MOST_SHOWN_NAMES = 20;

/** `name` where it looks like one; anything else may be an address with a password, or a piece of a value. */
function shown(name: string): string {
  return /^[\p{L}\p{N}_. -]{1,64}$/u.test(name) ? name : '(text that is no name)';
}

function unknownProperties(unknown: readonly string[]): ConnectorError {
  const properties = unknown.slice(0, MOST_SHOWN_NAMES).map(shown);
  const names = properties.map((name) => {
    const meant = suggestion(name);
    return meant === undefined ? name : `${name} (did you mean ${meant}?)`;
  });
  if (unknown.length > MOST_SHOWN_NAMES) names.push(`and ${String(unknown.length - MOST_SHOWN_NAMES)} more`);
  return new ConnectorError('UNKNOWN_PROPERTY', { names: names.join(', ') }, { properties });
}

function suggestion(name: string): string | undefined {
  const spelled = new Map(PROPERTIES.map((property) => [property.name.toLowerCase(), property.name]));
  const wanted = name.toLowerCase();
  const nearest = closest(wanted, [...spelled.keys()]);
  return distance(wanted, nearest) <= Math.max(2, Math.floor(nearest.length / 3))
    ? spelled.get(nearest)
    : undefined;
}

function malformed(problem: string, offset: number): ConnectorError {
  return new ConnectorError('CONNECTION_STRING_MALFORMED', { problem, offset });
}

const BLANK = /[ \t\r\n]/;
const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '{': '}' };

function* pairsOf(text: string): Generator<[string, string | undefined]> {
  let at = text.startsWith('\ufeff') ? 1 : 0;
  while (at < text.length) {
    if (text[at] === ';' || BLANK.test(text.charAt(at))) {
      at += 1;
      continue;
    }
    const name = readName(text, at);
    const value = readValue(text, name.end);
    yield [name.text, value.text];
    at = value.end;
  }
}

function readName(text: string, start: number): { text: string; end: number } {
  let at = start;
  while (text[at] === '=' ? text[at + 1] === '=' : at < text.length && text[at] !== ';')
    at += text[at] === '=' ? 2 : 1;
  if (text[at] !== '=') throw malformed('a name has no = behind it', start);
  const name = text.slice(start, at).replaceAll('==', '=').trim();
  if (name === '') throw malformed('a name is missing before =', at);
  return { text: name, end: at + 1 };
}

function readValue(text: string, start: number): { text: string | undefined; end: number } {
  let at = start;
  while (at < text.length && BLANK.test(text.charAt(at))) at += 1;
  const closing = CLOSING[text.charAt(at)];
  if (closing !== undefined) return readQuoted(text, at, closing);
  const semicolon = text.indexOf(';', at);
  const end = semicolon < 0 ? text.length : semicolon;
  const value = trimBlanks(text.slice(at, end));
  return { text: value === '' ? undefined : value, end };
}

function readQuoted(text: string, start: number, closing: string): { text: string; end: number } {
  const parts: string[] = [];
  let from = start + 1;
  for (;;) {
    const close = text.indexOf(closing, from);
    if (close < 0) throw malformed(`the ${text.charAt(start)} is never closed`, start);
    parts.push(text.slice(from, close));
    from = close + 1;
    if (text[from] !== closing) break;
    parts.push(closing);
    from += 1;
  }
  while (from < text.length && BLANK.test(text.charAt(from))) from += 1;
  if (from < text.length && text[from] !== ';')
    throw malformed('something stands behind a quoted value', from);
  return { text: parts.join(''), end: from };
}

function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && BLANK.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}
