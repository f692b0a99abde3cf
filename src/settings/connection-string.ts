import { ConnectorError } from '../errors.js';
import { firstUnsendable, isSendable, UNSENDABLE } from '../server-text.js';
import { malformed, MOST_PAIRS, pairsOf, quoted, type Pair } from './pairs.js';
import {
  canonical,
  MOST_SHOWN_NAMES,
  shown,
  type RawProperties,
  type ReadProperties,
} from './raw-properties.js';
import { readUri } from './uri.js';

export type { RawProperties } from './raw-properties.js';

const LONGEST_TEXT = 1_048_576;

/**
 * Reads a connection string: `Name=Value;Name=Value`, the same behind `jdbc:postgresql:` or
 * `jdbc:cdata:postgresql:`, or a URI `postgresql://user@host:port/database?Name=Value`.
 *
 * Pairs follow the rules of ADO.NET: names in any case, with or without blanks; blanks round names
 * and values do not count; a value that holds `;`, a quote or outer blanks stands in `"…"`, `'…'`
 * or `{…}` with the closing character doubled inside; `==` in a name is a literal `=` (so a value
 * that starts with `=` is quoted too); the last of two equal names wins; `Name=` leaves the
 * property unset. URIs follow libpq (see {@link readUri}). Linear in the length of `text`, at most
 * 1 MiB.
 *
 * @throws ConnectorError CONNECTION_STRING_MALFORMED or URI_MALFORMED (with the offset, never with
 *   a value), UNKNOWN_PROPERTY (naming all unknown ones and what was probably meant), or
 *   PROPERTY_INVALID for a URI that would weaken TLS
 */
export function parseConnectionString(text: string): RawProperties {
  return readConnectionString(text).properties;
}

/** {@link parseConnectionString} together with notes on aliases and repeated names. */
export function readConnectionString(text: string): ReadProperties {
  if (text.length > LONGEST_TEXT) throw tooLong();
  if (!isSendable(text)) throw malformed(`it ${UNSENDABLE}`, firstUnsendable(text));
  const jdbc = lengthOf(/^\s*jdbc:(?:cdata:)?postgresql:/i.exec(text));
  const uri = lengthOf(jdbc > 0 ? /^\/\//.exec(text.slice(jdbc)) : /^\s*postgres(?:ql)?:\/\//i.exec(text));
  if (uri > 0) return readUri(text, jdbc + uri);
  const start = jdbc + lengthOf(/^\s*/.exec(text.slice(jdbc)));
  if (/^[a-z][a-z0-9+.-]*:/i.test(text.slice(start)))
    throw malformed('it is a URI, but not of PostgreSQL,', start);
  return canonical(pairsOf(text, start));
}

/** The same for properties that a host gives as an object; numbers and booleans become text, null and undefined are unset. */
export function readPropertyObject(object: Readonly<Record<string, unknown>>): ReadProperties {
  const entries = Object.entries(object);
  if (entries.length > MOST_PAIRS)
    throw new ConnectorError('PROPERTY_INVALID', { problems: 'More than 1,000 properties are given.' });
  const pairs: Pair[] = [];
  const unusable: string[] = [];
  for (const [name, value] of entries) {
    if (value === undefined || value === null) continue;
    const text = textOf(value);
    if (text === undefined || !isSendable(text) || text.length > LONGEST_TEXT) unusable.push(name);
    else pairs.push([name, text]);
  }
  if (unusable.length > 0) throw unusableValues(unusable.slice(0, MOST_SHOWN_NAMES).map(shown));
  return canonical(pairs);
}

/**
 * The connection string that {@link parseConnectionString} reads back as `properties`, which may
 * use any accepted name. Values stand as they are: mask secrets before if it is for eyes.
 *
 * @throws ConnectorError PROPERTY_INVALID, UNKNOWN_PROPERTY, or CONNECTION_STRING_MALFORMED where
 *   it would be longer than 1 MiB
 */
export function formatConnectionString(properties: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(readPropertyObject(properties).properties)
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(';');
  if (text.length > LONGEST_TEXT) throw tooLong();
  return text;
}

function tooLong(): ConnectorError {
  return malformed('it is longer than 1 MiB', LONGEST_TEXT);
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return undefined;
}

function unusableValues(names: readonly string[]): ConnectorError {
  const rule = 'is not text of at most 1 MiB without U+0000 and halves of surrogate pairs.';
  const problems = names.map((name) => `${name} ${rule}`).join(' ');
  return new ConnectorError('PROPERTY_INVALID', { problems }, { properties: names });
}

function lengthOf(match: RegExpExecArray | null): number {
  return match?.[0].length ?? 0;
}
