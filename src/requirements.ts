import { DERIVATIONS, type Decider, type Derivation } from './settings/derivations.js';
import { PROPERTIES, type Property } from './settings/properties.js';
import { holds, isActive, requirementsOf, type PropertyCondition } from './settings/property.js';

type Schema = boolean | { readonly [keyword: string]: unknown };

const TABLE = (PROPERTIES as readonly Property[]).filter(isActive);

/** Names of the properties that every connection needs. */
export const ALWAYS_REQUIRED = TABLE.filter(({ required }) => required === true).map(({ name }) => name);

/**
 * Keywords of JSON Schema (draft-07) that demand what a login needs: `definitions` has one entry
 * for each value of `AuthScheme` that can come to count, `allOf` finds the one that does.
 */
export function loginRequirements(): { definitions: Record<string, Schema>; allOf: Schema[] } {
  const schemes = (TABLE.find(({ name }) => name === 'AuthScheme')?.choices ?? []).filter(
    (scheme) => !rowsOf('AuthScheme').some((row) => row.of.includes(scheme) && isUnconditional(row)),
  );
  const needs = (scheme: string): Schema => ({ $ref: `#/definitions/${scheme}` });
  const asWritten = all(schemes.map((scheme) => implies(isWritten('AuthScheme', [scheme]), needs(scheme))));
  const derived = rowsOf('AuthScheme').reduceRight<Schema>(
    (otherwise, row) => ({ if: applies('AuthScheme', row), then: needs(row.value), else: otherwise }),
    asWritten,
  );
  return {
    definitions: Object.fromEntries(schemes.map((scheme) => [scheme, needsOf(scheme)])),
    allOf: [derived, demands(TABLE.filter(isOfNoLogin), '')].filter((schema) => schema !== true),
  };
}

/** Whether `property` may be required, and whatever the login is. */
function isOfNoLogin(property: Property): boolean {
  const conditions = requirementsOf(property);
  const isOfLogin = conditions.some((condition) => 'AuthScheme' in condition);
  return property.required !== true && conditions.length > 0 && !isOfLogin;
}

/** What a login by `scheme` needs beside what every connection does. */
function needsOf(scheme: string): Schema {
  return demands(
    TABLE.filter((property) => property.required !== true && !isOfNoLogin(property)),
    scheme,
  );
}

/** Demands each of `properties` where it is required, in a login by `scheme`. */
function demands(properties: readonly Property[], scheme: string): Schema {
  const byCondition = new Map<string, Property[]>();
  for (const property of properties) {
    for (const { AuthScheme = [scheme], ...further } of requirementsOf(property)) {
      if (!AuthScheme.includes(scheme)) continue;
      const key = JSON.stringify(further);
      byCondition.set(key, [...(byCondition.get(key) ?? []), property]);
    }
  }
  return all(
    [...byCondition].map(([key, properties]) => {
      const condition = Object.entries(JSON.parse(key) as PropertyCondition);
      const isMet = condition.map(([decider, values]) => counts(decider as Decider, values, scheme));
      return implies(all(isMet), required(properties));
    }),
  );
}

/** Whether the value of `decider` that counts in a login by `scheme` is one of `values`. */
function counts(decider: Decider, values: readonly string[], scheme: string): Schema {
  const rows = rowsOf(decider).filter((row) => holds(row.with ?? {}, { AuthScheme: scheme }));
  const last = rows.findIndex(isUnconditional);
  const absentCounts = values.includes(rows[last]?.value ?? '');
  const asWritten = isWritten(decider, absentCounts ? ['', ...values] : values);
  return rows.slice(0, last).reduceRight<Schema>((otherwise, row) => {
    const isMeant = applies(decider, row);
    return values.includes(row.value) ? { anyOf: [isMeant, otherwise] } : all([{ not: isMeant }, otherwise]);
  }, asWritten);
}

/** Whether `row` is the one that counts, if none before it is. */
function applies(decider: Decider, { of, given = [], absent = [] }: Derivation): Schema {
  return all([isWritten(decider, of), isGiven(given), absent.length === 0 || { not: isGiven(absent) }]);
}

/** Whether `decider` is written as one of `values`, of which '' stands for not at all. */
function isWritten(decider: Decider, values: readonly string[]): Schema {
  const written = values.filter((value) => value !== '').map((value) => inSchema(decider, value));
  if (written.length === 0) return { not: { required: [decider] } };
  return {
    properties: { [decider]: { enum: written } },
    ...(written.length === values.length && { required: [decider] }),
  };
}

function inSchema(decider: Decider, value: string): string | boolean {
  return TABLE.find(({ name }) => name === decider)?.kind === 'boolean' ? value === 'true' : value;
}

/** Whether one of `names` is given; true for none. */
function isGiven(names: readonly string[]): Schema {
  if (names.length === 0) return true;
  return names.length === 1 ? { required: names } : { anyOf: names.map((name) => ({ required: [name] })) };
}

function required(properties: readonly Property[]): Schema {
  const alone = properties.filter(({ instead }) => instead === undefined).map(({ name }) => name);
  const replaceable = properties.filter(({ instead }) => instead !== undefined);
  return all([
    alone.length === 0 || { required: alone },
    ...replaceable.map(({ name, instead = [] }) => isGiven([name, ...instead])),
  ]);
}

function implies(condition: Schema, then: Schema): Schema {
  return condition === true ? then : { if: condition, then };
}

function all(schemas: readonly Schema[]): Schema {
  const demanding = schemas.filter((schema) => schema !== true);
  return demanding.length === 1 ? (demanding[0] ?? true) : demanding.length === 0 || { allOf: demanding };
}

function rowsOf(decider: Decider): readonly Derivation[] {
  return DERIVATIONS[decider];
}

function isUnconditional({ given, absent }: Derivation): boolean {
  return given === undefined && absent === undefined;
}
