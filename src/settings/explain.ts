import { printable } from '../errors.js';
import type { Decider } from './derivations.js';
import { PROPERTIES, type Property, type PropertyName } from './properties.js';
import { holds, isActive } from './property.js';
import type { ValueReader } from './value-reader.js';

/** One line of `pg-entra explain`. */
export interface EffectiveProperty {
  readonly name: PropertyName;
  /** As it counts, fit for a terminal; `***` for a secret, empty where it is found out later. */
  readonly value: string;
  readonly origin: 'given' | 'alias' | 'default' | 'derived';
  /** What it was derived or read from, or what it was given as. */
  readonly note: string | undefined;
}

/** Values of the properties that conditions ask for. */
type Deciding = Readonly<Record<Decider, string>>;

/** Every property that counts with the login that was chosen. */
export function effectiveProperties(
  values: ValueReader,
  aliases: ReadonlyMap<PropertyName, string>,
  deciding: Deciding,
): EffectiveProperty[] {
  return (PROPERTIES as readonly Property[])
    .filter((property) => isActive(property) && idleReason(property, values, deciding) === undefined)
    .filter(({ name, derived }) => derived !== undefined || values.counting(name) !== undefined)
    .map((property) => {
      const { name, secret } = property;
      const value = values.counting(name);
      const alias = aliases.get(name);
      return {
        name,
        value: secret && value !== undefined ? '***' : printable(value ?? ''),
        origin: originOf(property, values, alias),
        note: noteOn(property, values, alias),
      };
    });
}

function originOf(
  property: Property,
  values: ValueReader,
  alias: string | undefined,
): EffectiveProperty['origin'] {
  if (values.has(property.name)) return alias === undefined ? 'given' : 'alias';
  return values.storyOf(property.name) === undefined ? 'default' : 'derived';
}

function noteOn(property: Property, values: ValueReader, alias: string | undefined): string | undefined {
  const { name, kind } = property;
  if (!values.has(name)) return values.storyOf(name);
  const given = values.text(name);
  const isReadAs = kind === 'choice' && given.toLowerCase() !== values.counting(name)?.toLowerCase();
  const source = values.sourceOf(name);
  const notes = [
    ...(alias === undefined ? [] : [`given as ${alias}`]),
    ...(isReadAs ? [`given as ${given}`] : []),
    ...(source === undefined ? [] : [`from ${printable(source)}`]),
  ];
  return notes.length === 0 ? undefined : notes.join(', ');
}

/** Notes what was given and does not count with the login that was chosen. */
export function noteIdle(values: ValueReader, deciding: Deciding): void {
  for (const property of PROPERTIES as readonly Property[]) {
    const { name } = property;
    if (!values.has(name) || !isActive(property) || values.asksForNothing(property)) continue;
    const reason = idleReason(property, values, deciding);
    if (reason !== undefined) values.note(name, `${name} has no effect ${reason}.`);
  }
}

/** Why `property` does not count: `with AuthScheme Password`, `without ProxyServer`. */
function idleReason(property: Property, values: ValueReader, deciding: Deciding): string | undefined {
  const { visibleWhen = {}, beside } = property;
  const deciders = Object.keys(visibleWhen) as (keyof Deciding)[];
  const unmet = deciders.find((decider) => !holds({ [decider]: visibleWhen[decider] ?? [] }, deciding));
  if (unmet !== undefined) return `with ${unmet} ${deciding[unmet]}`;
  if (beside !== undefined && !values.has(beside as PropertyName)) return `without ${beside}`;
  return values.idleReason(property.name);
}
