import { closest, distance } from 'fastest-levenshtein';
import { ConnectorError, printable } from '../errors.js';
import { FOREIGN_NAMES } from './foreign-names.js';
import type { Pair } from './pairs.js';
import { findProperty, foldName, PROPERTIES, type Property, type PropertyName } from './properties.js';

/** Canonical property name to text, as given: no prototype, no defaults, references not resolved. */
export type RawProperties = Partial<Record<PropertyName, string>>;

/** Something the person who wrote the settings should know; never holds a secret. */
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

/**
 * `pairs` under their canonical names; the last of two equal names wins. `show` gives the words
 * that an error uses for an unknown name.
 *
 * @throws ConnectorError UNKNOWN_PROPERTY (naming all unknown ones and what was probably meant)
 */
export function canonical(pairs: Iterable<Pair>, show: (name: string) => string = shown): ReadProperties {
  const given = new Map<PropertyName, string | undefined>();
  const notes = new Map<string, SettingsNote>();
  const aliases = new Map<PropertyName, string>();
  const unknown: string[] = [];
  let secretBefore: PropertyName | undefined;
  for (const [name, value, ending] of pairs) {
    const property = findProperty(name);
    if (!property) {
      unknown.push(secretBefore === undefined ? show(name) : shownBehind(secretBefore, name, show));
      continue;
    }
    secretBefore = property.secret && ending === 'separator' ? property.name : undefined;
    const note = (text: string): void => {
      notes.set(text, { property: property.name, text });
    };
    if (given.has(property.name) && given.get(property.name) !== value)
      note(`${property.name} is given more than once; the last value counts.`);
    aliases.delete(property.name);
    if (foldName(name) !== foldName(property.name)) {
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

/** Most names that an error tells. */
export const MOST_SHOWN_NAMES = 20;

/** Words for what may be anything, so a piece of a secret too. */
export const HIDDEN_NAME = '(text that is no name)';

/** `name` where it looks like one; anything else may be an address with a password, or a piece of a value. */
export function shown(name: string): string {
  return /^[\p{L}\p{N}_. -]{1,64}$/u.test(name) ? name : HIDDEN_NAME;
}

/** An unknown `name` behind an unquoted secret: unless it is nearly a name, it may be the rest of that secret. */
function shownBehind(secret: PropertyName, name: string, show: (name: string) => string): string {
  const words = show(name);
  const isNearly = words !== HIDDEN_NAME && adviceOn(foldName(name)) !== undefined;
  return isNearly ? words : `(text behind ${secret}, not shown because it may belong to it)`;
}

function unknownProperties(unknown: readonly string[]): ConnectorError {
  const properties = unknown.slice(0, MOST_SHOWN_NAMES);
  const names = properties.map((name) => {
    const advice = name.startsWith('(') ? undefined : adviceOn(foldName(name));
    return advice === undefined ? name : `${name} (${advice})`;
  });
  if (unknown.length > MOST_SHOWN_NAMES) names.push(`and ${String(unknown.length - MOST_SHOWN_NAMES)} more`);
  return new ConnectorError('UNKNOWN_PROPERTY', { names: names.join(', ') }, { properties });
}

const SPELLINGS = new Map(
  (PROPERTIES as readonly Property[]).flatMap(({ name, aliases = [] }) =>
    [name, ...aliases].map((spelling) => [foldName(spelling), name] as const),
  ),
);
const FOLDED_SPELLINGS = [...SPELLINGS.keys()];

function adviceOn(folded: string): string | undefined {
  if (Object.hasOwn(FOREIGN_NAMES, folded)) return FOREIGN_NAMES[folded];
  const nearest = closest(folded, FOLDED_SPELLINGS);
  const isNear = distance(folded, nearest) <= Math.min(3, Math.floor(nearest.length / 3));
  return isNear ? `did you mean ${SPELLINGS.get(nearest) ?? nearest}?` : undefined;
}
