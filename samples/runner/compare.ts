import { isDeepStrictEqual } from 'node:util';

/** A place where two JSON values differ; an undefined side has nothing there. */
export interface Difference {
  /** As in JavaScript, `[2].answer[0].date`; empty for the whole. */
  readonly path: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** An expected number that is not the same in every run; one bound at least. */
export interface Bounds {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/**
 * Every place where `actual` differs from `expected`, in reading order; none for equal JSON values.
 * Where `expected` has {@link Bounds}, any number within them is equal.
 */
export function differences(expected: unknown, actual: unknown, path = ''): Difference[] {
  if (isDeepStrictEqual(expected, actual) || isWithin(expected, actual)) return [];
  if (!isContainer(expected) || !isContainer(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    return [{ path, expected, actual }];
  }
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].flatMap((name) => differences(expected[name], actual[name], path + step(expected, name)));
}

function isWithin(expected: unknown, actual: unknown): boolean {
  if (!isContainer(expected) || typeof actual !== 'number') return false;
  const { atLeast = -Infinity, atMost = Infinity, ...more }: Bounds = expected;
  const isBounds = 'atLeast' in expected || 'atMost' in expected;
  return isBounds && Object.keys(more).length === 0 && actual >= atLeast && actual <= atMost;
}

const SHOWN_DIFFERENCES = 10;

/** `found` for a person to read: the place, then both sides. */
export function describeDifferences(found: readonly Difference[]): string {
  const lines = found
    .slice(0, SHOWN_DIFFERENCES)
    .flatMap(({ path, expected, actual }) => [
      `  at ${path === '' ? 'the top' : path}`,
      `    expected ${text(expected)}`,
      `    but got  ${text(actual)}`,
    ]);
  const more = found.length - SHOWN_DIFFERENCES;
  return [...lines, ...(more > 0 ? [`  and ${String(more)} more differences`] : [])].join('\n');
}

type Container = Readonly<Record<string, unknown>>;

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function step(within: Container, name: string): string {
  if (Array.isArray(within)) return `[${name}]`;
  return /^\w+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

function text(value: unknown): string {
  const json = value === undefined ? 'nothing' : JSON.stringify(value);
  return json.length > 300 ? `${json.slice(0, 300)} …` : json;
}
