import { ConnectorError } from '../errors.js';
import type { Property, PropertyName } from './properties.js';
import { PROPERTY_GROUPS } from './property.js';

/** What can be wrong with a property. */
type ProblemKind = 'invalid' | 'unsupported' | 'conflict';

interface Problem {
  readonly kind: ProblemKind;
  readonly properties: readonly PropertyName[];
  readonly text: string;
}

/** Everything that is wrong with the given properties, so that it is told at once. */
export class Problems {
  readonly #problems: Problem[] = [];
  /** What cannot be done, by the reason, with the words for where it was asked. */
  readonly #refusals = new Map<string, { properties: PropertyName[]; asked: string[] }>();
  readonly #missing: Property[] = [];

  /** `rule` says behind the name what the value must be. */
  invalid(property: PropertyName, rule: string): void {
    this.#problems.push({ kind: 'invalid', properties: [property], text: `${property} ${rule}.` });
  }

  /** `text` is a whole sentence that says why `properties` do not go together. */
  conflict(properties: readonly PropertyName[], text: string): void {
    this.#problems.push({ kind: 'conflict', properties, text });
  }

  /** `reason` says behind a colon why what was `asked` cannot be done, and what can. */
  unsupported(property: PropertyName, asked: string, reason: string): void {
    const { properties = [], asked: others = [] } = this.#refusals.get(reason) ?? {};
    this.#refusals.set(reason, { properties: [...properties, property], asked: [...others, asked] });
  }

  missing(property: Property): void {
    this.#missing.push(property);
  }

  /**
   * @throws ConnectorError PROPERTIES_MISSING, PROPERTIES_CONFLICT or PROPERTY_UNSUPPORTED where that
   *   is all that is wrong, else PROPERTY_INVALID; nothing where nothing is wrong
   */
  throwAll(): void {
    const problems = [...this.#refused(), ...this.#problems];
    const properties = [...problems, ...this.#missing].flatMap((each) =>
      'name' in each ? [each.name] : each.properties,
    );
    if (properties.length === 0) return;
    const names = namesByGroup(this.#missing);
    if (problems.length === 0) throw new ConnectorError('PROPERTIES_MISSING', { names }, { properties });
    const texts = problems.map(({ text }) => text);
    if (this.#missing.length > 0) texts.push(`Missing: ${names}.`);
    const kinds = new Set<ProblemKind>(problems.map(({ kind }) => kind));
    const only = this.#missing.length === 0 && kinds.size === 1 ? [...kinds][0] : undefined;
    throw new ConnectorError(CODES[only ?? 'invalid'], { problems: texts.join(' ') }, { properties });
  }

  #refused(): Problem[] {
    return [...this.#refusals].map(([reason, { properties, asked }]) => ({
      kind: 'unsupported',
      properties,
      text: `${asked.join(', ')}: ${reason}.`,
    }));
  }
}

const CODES = {
  invalid: 'PROPERTY_INVALID',
  conflict: 'PROPERTIES_CONFLICT',
  unsupported: 'PROPERTY_UNSUPPORTED',
} as const satisfies Record<ProblemKind, string>;

/** `Server, User (Authentication); OAuthClientSecret or OAuthJWTCert (OAuth)`. */
function namesByGroup(properties: readonly Property[]): string {
  const groups = new Map<string, string[]>();
  for (const { name, group, instead = [] } of properties) {
    const title = PROPERTY_GROUPS[group];
    groups.set(title, [...(groups.get(title) ?? []), [name, ...instead].join(' or ')]);
  }
  return [...groups].map(([title, names]) => `${names.join(', ')} (${title})`).join('; ');
}
