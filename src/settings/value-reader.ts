import type { RawProperties, SettingsNote } from './raw-properties.js';
import { isConnectorError } from '../errors.js';
import { Problems } from './problems.js';
import { PROPERTIES, propertyOf, type Property, type PropertyName } from './properties.js';
import { holds, requirementsOf } from './property.js';
import { expandReferences, readTextFile, type GivenValue, type SettingsSources } from './references.js';
import { Secret } from './secret.js';

/** Reads one value after the other and collects everything that is wrong with them. */
export class ValueReader {
  readonly #given: ReadonlyMap<PropertyName, GivenValue>;
  readonly #sources: SettingsSources;
  readonly #problems = new Problems();
  readonly #notes: SettingsNote[] = [];
  /** Values in the form in which they count, where that is not the given one. */
  readonly #counting = new Map<PropertyName, string>();
  readonly #stories = new Map<PropertyName, string>();
  readonly #idle = new Map<PropertyName, string>();

  constructor(raw: RawProperties, sources: SettingsSources) {
    this.#given = expandReferences(raw, sources, this.#problems);
    this.#sources = sources;
  }

  /** What the person who wrote the properties should know, in the order it was found. */
  get notes(): readonly SettingsNote[] {
    return this.#notes;
  }

  has(name: PropertyName): boolean {
    return this.#given.has(name);
  }

  /** Given text or constant default; undefined where neither is. */
  optional(name: PropertyName): string | undefined {
    return this.#given.get(name)?.text ?? propertyOf(name).default;
  }

  /** Like {@link optional}; '' stands in for an absent value, which {@link requireAll} reports. */
  text(name: PropertyName): string {
    return this.optional(name) ?? '';
  }

  /** The value as it counts: in the spelling of the table, derived, or read as another one. */
  counting(name: PropertyName): string | undefined {
    return this.#counting.get(name) ?? this.optional(name);
  }

  /** Lets `value` count for `name`, for {@link counting}; `story` says where it comes from if not given. */
  count(name: PropertyName, value: string, story?: string): void {
    this.#counting.set(name, value);
    if (story !== undefined) this.#stories.set(name, story);
  }

  /** Where the value of an absent property comes from. */
  storyOf(name: PropertyName): string | undefined {
    return this.#stories.get(name) ?? propertyOf(name).derived;
  }

  /** Lets `value` count in place of the one that is given, and notes it; `why` ends the sentence. */
  readAs(name: PropertyName, value: string, why = ''): void {
    this.note(name, `${name} ${this.counting(name) ?? ''} is read as ${value}${why}.`);
    this.count(name, value);
  }

  /** Lets other values make `names` useless; `reason` says behind "has no effect" which. */
  idle(names: readonly PropertyName[], reason: string): void {
    for (const name of names) this.#idle.set(name, reason);
  }

  /** What {@link idle} said of `name`. */
  idleReason(name: PropertyName): string | undefined {
    return this.#idle.get(name);
  }

  /** Words for the file or the variable that the value was read from. */
  sourceOf(name: PropertyName): string | undefined {
    const { file, variable } = this.#given.get(name) ?? {};
    if (file !== undefined) return `the file ${file}`;
    return variable === undefined ? undefined : `the environment variable ${variable}`;
  }

  /** Path of the file that the value was read from by `@file:`. */
  fileOf(name: PropertyName): string | undefined {
    return this.#given.get(name)?.file;
  }

  secret(name: PropertyName): Secret | undefined {
    const value = this.optional(name);
    return value === undefined ? undefined : new Secret(value, this.fileOf(name));
  }

  /** Text that `accept` takes; otherwise `rule` says what it should be. */
  checked(name: PropertyName, accept: (value: string) => boolean, rule: string): string {
    const value = this.text(name);
    if (value !== '' && !accept(value)) this.problem(name, rule);
    return value;
  }

  /** {@link checked}, undefined where it is absent. */
  optionalChecked(name: PropertyName, accept: (value: string) => boolean, rule: string): string | undefined {
    return this.optional(name) === undefined ? undefined : this.checked(name, accept, rule);
  }

  integer(name: PropertyName): number {
    const { range = [0, Number.MAX_SAFE_INTEGER], unit } = propertyOf(name);
    const text = this.text(name);
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= range[0] && value <= range[1])) {
      const rule = `must be a whole number from ${String(range[0])} to ${String(range[1])}`;
      this.problem(name, unit === 'milliseconds' ? `${rule} (milliseconds, not seconds)` : rule);
    } else this.count(name, String(value));
    return value;
  }

  /** {@link integer}, undefined where it is absent. */
  optionalInteger(name: PropertyName): number | undefined {
    return this.optional(name) === undefined ? undefined : this.integer(name);
  }

  milliseconds(name: PropertyName): number {
    return this.integer(name) * 1_000;
  }

  /** Undefined for text that is neither. */
  boolean(name: PropertyName): boolean | undefined {
    const value = booleanOf(this.text(name));
    if (value === undefined) this.problem(name, 'must be true or false');
    else this.count(name, String(value));
    return value;
  }

  /** The choice in the spelling of the table. */
  choice(name: PropertyName): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const { choices = [], refused = {} } = propertyOf(name);
    const isMeant = (choice: string): boolean => choice.toLowerCase() === text.toLowerCase();
    const found = choices.find(isMeant);
    const refusal = Object.entries(refused).find(([choice]) => isMeant(choice));
    if (found !== undefined) this.count(name, found);
    else if (refusal) this.unsupported(name, `${name}=${refusal[0]}`, refusal[1]);
    else this.problem(name, `must be one of ${choices.join(', ')}`);
    return found;
  }

  /** The parts between semicolons and commas. */
  list(name: PropertyName): readonly string[] {
    return this.text(name)
      .split(/[;,]/)
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  /** PEM text; undefined where it is absent, or `system`, as libpq calls what the runtime trusts. */
  pem(name: PropertyName): string | undefined {
    const value = this.optional(name);
    if (value === undefined || value === '' || value === 'system') return undefined;
    const isText = value.includes('-----BEGIN ');
    if (isText) this.count(name, '(PEM text)');
    const text = isText ? value : this.#fileText(name, value);
    if (!text.includes('-----BEGIN CERTIFICATE-----'))
      this.problem(name, 'must hold certificates in PEM form');
    return text;
  }

  #fileText(name: PropertyName, path: string): string {
    try {
      return readTextFile(name, path, this.#sources);
    } catch (error) {
      if (!isConnectorError(error)) throw error;
      this.#problems.unread(name, error);
      return '';
    }
  }

  note(property: PropertyName, text: string): void {
    this.#notes.push({ property, text });
  }

  /** {@link Problems.invalid} */
  problem(property: PropertyName, rule: string): void {
    this.#problems.invalid(property, rule);
  }

  /** {@link Problems.conflict} */
  conflict(properties: readonly PropertyName[], text: string): void {
    this.#problems.conflict(properties, text);
  }

  /** {@link Problems.unsupported} */
  unsupported(property: PropertyName, asked: string, reason: string): void {
    this.#problems.unsupported(property, asked, reason);
  }

  /** Reports what was given and cannot act here: refused where that would mislead, noted otherwise. */
  requireSupport(): void {
    for (const property of PROPERTIES as readonly Property[]) {
      const { name, unsupported, inert } = property;
      if (!this.has(name) || this.asksForNothing(property)) continue;
      if (unsupported !== undefined) this.unsupported(name, name, unsupported);
      if (inert !== undefined) this.note(name, `${name} has no effect: ${inert}.`);
    }
  }

  /** Whether the value that is given is one of those that ask for nothing where the property does nothing. */
  asksForNothing({ name, kind, neutral = [] }: Property): boolean {
    const text = this.text(name).toLowerCase();
    const asked = (kind === 'boolean' ? booleanOf(text)?.toString() : undefined) ?? text;
    return neutral.some((value) => value.toLowerCase() === asked);
  }

  /** Notes every property that is required, given what `deciding` says of the conditions, and absent. */
  requireAll(deciding: Readonly<Record<string, string>>): void {
    for (const property of PROPERTIES as readonly Property[]) {
      const { name, instead = [] } = property;
      const isRequired = requirementsOf(property).some((condition) => holds(condition, deciding));
      const isThere = [name, ...(instead as readonly PropertyName[])].some(
        (each) => this.optional(each) !== undefined,
      );
      if (isRequired && !isThere) this.#problems.missing(property);
    }
  }

  /** {@link Problems.throwAll} */
  throwProblems(): void {
    this.#problems.throwAll();
  }
}

/** Undefined for text that is neither. */
function booleanOf(text: string): boolean | undefined {
  if (/^(true|yes|on|1)$/i.test(text)) return true;
  return /^(false|no|off|0)$/i.test(text) ? false : undefined;
}
