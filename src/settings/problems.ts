import { ConnectorError } from '../errors.js';
import type { Property, PropertyName } from './properties.js';
import { PROPERTY_GROUPS } from './property.js';

/** What can be wrong with a property. */
type ProblemKind = 'invalid' | 'unsupported' | 'conflict';

interface Problem {
  readonly kind: ProblemKind;
  readonly properties: readonly string[];
  readonly text: string;
}

/** Everything that is wrong with the given properties, so that it is told at once. */
export class Problems {
  readonly #problems: Problem[] = [];
  /** What cannot be done, by the reason, with the words for where it was asked. */
  readonly #refusals = new Map<string, { properties: PropertyName[]; asked: string[] }>();
  readonly #missing: Property[] = [];
  /** What could not be read, by the property that names it; then nothing else is said of its value. */
  readonly #unread = new Map<PropertyName, ConnectorError | undefined>();

  /** `rule` says behind the name what the value must be. */
  invalid(property: PropertyName, rule: string): void {
    if (this.#unread.has(property)) return;
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

  /** What `property` names cannot be read, for the reason `error`. */
  unread(property: PropertyName, error: ConnectorError): void {
    if (!this.#unread.has(property)) this.#unread.set(property, error);
  }

  /** `property` names a file or a variable, and takes neither. */
  reference(property: PropertyName): void {
    this.invalid(property, NO_REFERENCE);
    this.#unread.set(property, undefined);
  }

  missing(property: Property): void {
    this.#missing.push(property);
  }

  /**
   * @throws ConnectorError PROPERTIES_MISSING, PROPERTIES_CONFLICT, PROPERTY_UNSUPPORTED or the one
   *   thing that could not be read where that is all that is wrong, else PROPERTY_INVALID; nothing
   *   where nothing is wrong
   */
  throwAll(): void {
    const unread = [...this.#unread.values()].filter((error) => error !== undefined);
    const problems = [...this.#refused(), ...this.#problems, ...unread.map(problemOf)];
    const properties = [...problems, ...this.#missing].flatMap((each) =>
      'name' in each ? [each.name] : each.properties,
    );
    if (properties.length === 0) return;
    const [only] = unread;
    if (only && problems.length + this.#missing.length === 1) throw only;
    const names = namesByGroup(this.#missing);
    if (problems.length === 0) throw new ConnectorError('PROPERTIES_MISSING', { names }, { properties });
    const texts = problems.map(({ text }) => text);
    if (this.#missing.length > 0) texts.push(`Missing: ${names}.`);
    const kinds = new Set<ProblemKind>(problems.map(({ kind }) => kind));
    const kind = this.#missing.length === 0 && kinds.size === 1 ? [...kinds][0] : undefined;
    throw new ConnectorError(CODES[kind ?? 'invalid'], { problems: texts.join(' ') }, { properties });
  }

  #refused(): Problem[] {
    return [...this.#refusals].map(([reason, { properties, asked }]) => ({
      kind: 'unsupported',
      properties,
      text: `${asked.join(', ')}: ${reason}.`,
    }));
  }
}

const NO_REFERENCE =
  'takes the value itself: @file: and @env: are read for secrets and CA certificates only, and @@ stands for a literal @';

function problemOf({ properties = [], message }: ConnectorError): Problem {
  return { kind: 'invalid', properties, text: message };
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
