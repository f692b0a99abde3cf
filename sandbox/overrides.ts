/** Changes to a JSON object. `set` comes first, so a name in both is absent at the end. */
export interface Overrides {
  /** Values by name; any JSON value, also one that makes no sense there. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Names to leave out. */
  readonly remove?: readonly string[];
}

/** A copy of `object` with the overrides applied. */
export const override = (
  object: Readonly<Record<string, unknown>>,
  { set = {}, remove = [] }: Overrides,
): Record<string, unknown> =>
  Object.fromEntries(Object.entries({ ...object, ...set }).filter(([name]) => !remove.includes(name)));
