import { ConnectorError } from '../errors.js';
import { holds, PROPERTIES, propertyOf, type Property, type PropertyName } from './properties.js';
import { readTextFile, type SettingsSources } from './references.js';
import { Secret } from './secret.js';

/** Reads one value after the other and collects everything that is wrong with them. */
export class ValueReader {
  readonly #given: ReadonlyMap<PropertyName, string>;
  readonly #sources: SettingsSources;
  readonly #problems: { property: PropertyName; text: string }[] = [];
  readonly #missing: Property[] = [];

  constructor(given: ReadonlyMap<PropertyName, string>, sources: SettingsSources) {
    this.#given = given;
    this.#sources = sources;
  }

  has(name: PropertyName): boolean {
    return this.#given.has(name);
  }

  /** Given text or constant default; undefined where neither is. */
  optional(name: PropertyName): string | undefined {
    return this.#given.get(name) ?? propertyOf(name).default;
  }

  /** Like {@link optional}; '' stands in for an absent value, which {@link requireAll} reports. */
  text(name: PropertyName): string {
    return this.optional(name) ?? '';
  }

  secret(name: PropertyName): Secret | undefined {
    const value = this.optional(name);
    return value === undefined ? undefined : new Secret(value);
  }

  /** Text that `accept` takes; otherwise `rule` says what it should be. */
  checked(name: PropertyName, accept: (value: string) => boolean, rule: string): string {
    const value = this.text(name);
    if (value !== '' && !accept(value)) this.problem(name, rule);
    return value;
  }

  integer(name: PropertyName): number {
    const { range = [0, Number.MAX_SAFE_INTEGER] } = propertyOf(name);
    const text = this.text(name);
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= range[0] && value <= range[1])) {
      this.problem(name, `must be a whole number from ${String(range[0])} to ${String(range[1])}`);
    }
    return value;
  }

  milliseconds(name: PropertyName): number {
    return this.integer(name) * 1_000;
  }

  /** Undefined for text that is neither. */
  boolean(name: PropertyName): boolean | undefined {
    const text = this.text(name).toLowerCase();
    if (/^(true|yes|on|1)$/.test(text)) return true;
    if (/^(false|no|off|0)$/.test(text)) return false;
    this.problem(name, 'must be true or false');
    return undefined;
  }

  /** The choice in the spelling of the table. */
  choice(name: PropertyName): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const { choices = [] } = propertyOf(name);
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found === undefined) this.problem(name, `must be one of ${choices.join(', ')}`);
    return found;
  }

  pem(name: PropertyName): string | undefined {
    const value = this.optional(name);
    if (value === undefined) return undefined;
    const text = value.includes('-----BEGIN ') ? value : readTextFile(name, value, this.#sources);
    if (!text.includes('-----BEGIN CERTIFICATE-----'))
      this.problem(name, 'must hold certificates in PEM form');
    return text;
  }

  problem(property: PropertyName, text: string): void {
    this.#problems.push({ property, text: `${property} ${text}.` });
  }

  /** Notes every property that is required, given what `deciding` says of the conditions, and absent. */
  requireAll(deciding: Readonly<Record<string, string>>): void {
    for (const property of PROPERTIES as readonly Property[]) {
      const required =
        property.required === true || (property.required && holds(property.required, deciding));
      if (required && this.optional(property.name) === undefined) this.#missing.push(property);
    }
  }

  throwProblems(): void {
    const missing = this.#missing.map(({ name }) => name);
    const names = this.#missing
      .map(({ name, instead }) => (instead === undefined ? name : `${name} (or ${instead})`))
      .join(', ');
    if (missing.length > 0 && this.#problems.length === 0) {
      throw new ConnectorError('PROPERTIES_MISSING', { names }, { properties: missing });
    }
    if (this.#problems.length > 0) {
      const lacking = missing.length > 0 ? [`Missing: ${names}.`] : [];
      const problems = [...this.#problems.map(({ text }) => text), ...lacking].join(' ');
      const properties = [...this.#problems.map(({ property }) => property), ...missing];
      throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties });
    }
  }
}
