/** What a row of the table of connection properties says. The rows stand in `properties.ts`. */

/** Sections of a connection form, in the order they are shown: CData's categories, and `pooling`. */
export const PROPERTY_GROUPS = {
  authentication: 'Authentication',
  azure: 'Azure Authentication',
  oauth: 'OAuth',
  jwt: 'JWT OAuth',
  ssl: 'SSL',
  proxy: 'Proxy',
  pooling: 'Pooling',
  logging: 'Logging',
  miscellaneous: 'Miscellaneous',
  schema: 'Schema',
  firewall: 'Firewall',
  ssh: 'SSH',
  kerberos: 'Kerberos',
  aws: 'AWS Authentication',
} as const;

export type PropertyGroup = keyof typeof PROPERTY_GROUPS;

/** A rule that holds while each of the named properties has one of its values. */
export type PropertyCondition = Readonly<Record<string, readonly string[]>>;

/** What is known about a property beside its name. */
export interface PropertyFacts {
  /** Canonical name, as in a connection string. */
  readonly name: string;
  /** Name in a form, with spaces; accepted in a connection string too. */
  readonly title: string;
  /** Further names that are accepted for it (older CData builds, ADO, libpq). */
  readonly aliases?: readonly string[];
  readonly group: PropertyGroup;
  /** `pem` is PEM text or the path of a PEM file; `store` the path or the content of a key store; `list` is text separated by semicolons or commas. */
  readonly kind: 'text' | 'integer' | 'boolean' | 'choice' | 'pem' | 'store' | 'list';
  /** Allowed values of a choice, compared without regard to case. */
  readonly choices?: readonly string[];
  /** Values that others know and this connector refuses, each with the reason and the way out. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Inclusive bounds of an integer. */
  readonly range?: readonly [number, number];
  readonly unit?: 'seconds' | 'milliseconds';
  readonly default?: string;
  /** What happens when it is absent, where no constant default exists. */
  readonly derived?: string;
  /** Its value is masked everywhere and kept in the host's credential store. */
  readonly secret?: true;
  /** `true`: always; a condition: only then; several: when any of them holds. */
  readonly required?: true | PropertyCondition | readonly PropertyCondition[];
  /** Properties one of which may be given in its place where it is required. */
  readonly instead?: readonly string[];
  /** Forms show it only then; given otherwise it is reported to be of no effect. */
  readonly visibleWhen?: PropertyCondition;
  /** The property without which it means nothing. */
  readonly beside?: string;
  /** One line for forms and documents. */
  readonly help: string;
  /** Known elsewhere, refused here: the reason and the way out. */
  readonly unsupported?: string;
  /** Known elsewhere, of no effect here, which is reported: the reason. */
  readonly inert?: string;
  /** Values that ask for nothing where the property does nothing, so that they are silently right there. */
  readonly neutral?: readonly string[];
}

/** Whether `condition` is met by the values of `deciding`. */
export function holds(condition: PropertyCondition, deciding: Readonly<Record<string, string>>): boolean {
  return Object.entries(condition).every(([property, values]) => values.includes(deciding[property] ?? ''));
}

/** The conditions any of which makes `property` required; none where it never is, an empty one where it always is. */
export function requirementsOf({ required }: PropertyFacts): readonly PropertyCondition[] {
  if (required === undefined) return [];
  return required === true ? [{}] : [required].flat();
}

/** Whether `property` does something here; forms offer only those. */
export function isActive(property: PropertyFacts): boolean {
  return property.unsupported === undefined && property.inert === undefined;
}

/** Whether a value `@file:PATH` or `@env:NAME` is resolved for `property`. */
export function takesReference(property: PropertyFacts): boolean {
  return property.secret === true || property.kind === 'pem';
}
