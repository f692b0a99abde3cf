/**
 * Reads generated connection strings and checks what must hold for every text there is:
 *
 *     npm run fuzz:settings -- [count, 10,000,000 unless told] [seed]
 */
import { pathToFileURL } from 'node:url';
import { isConnectorError } from '#src/errors.js';
import { formatConnectionString, parseConnectionString } from '#src/settings/connection-string.js';
import type { RawProperties } from '#src/settings/raw-properties.js';
import { explainSettings } from '#src/settings/settings.js';
import { CANARY, chanceOf, connectionString, longConnectionString } from './connection-string-generator.js';
import { nobody, tellProgress } from '../support/progress.js';

/** What a run saw. */
export interface FuzzReport {
  readonly texts: number;
  /** Texts that are connection strings, and those of them that are whole connections. */
  readonly parsed: number;
  readonly resolved: number;
  /** Longest single call, on texts of usual length and on those of 1 MiB. */
  readonly slowestMs: number;
  readonly slowestLongMs: number;
}

const LIMIT_MS = 5;
const LONG_LIMIT_MS = 50;
const LONG = 100_000;
/** One text of 1 MiB among so many. */
const LONG_EVERY = 10_000;

const SOURCES = {
  readFile: (): string => '-----BEGIN CERTIFICATE-----',
  environment: { X: CANARY },
};

/**
 * Reads `count` texts. Throws on the first that is not read or refused as promised: only errors of
 * ours, no value in them, one reading, in time, no prototype touched.
 */
export function fuzz(count: number, seed: number, progress = nobody): FuzzReport {
  const chance = chanceOf(seed);
  const untouched = Reflect.ownKeys(Object.prototype).length;
  const report = { texts: count, parsed: 0, resolved: 0, slowestMs: 0, slowestLongMs: 0 };
  for (let index = 1; index <= count; index += 1) {
    progress(index);
    const isLong = index % LONG_EVERY === 0;
    const text = isLong ? longConnectionString(chance) : connectionString(chance);
    try {
      const parsed = timed(report, text, () => attempt(() => parseConnectionString(text)));
      if (parsed !== undefined) {
        report.parsed += 1;
        checkReading(parsed, isLong);
        const resolved = timed(report, text, () => attempt(() => explainSettings(text, SOURCES)));
        if (resolved !== undefined) report.resolved += 1;
      }
      if (Reflect.ownKeys(Object.prototype).length !== untouched) throw new Error('a prototype has changed');
    } catch (error) {
      throw new Error(`text ${index} of seed ${seed}: ${JSON.stringify(text.slice(0, 2_000))}`, {
        cause: error,
      });
    }
  }
  return report;
}

/** What `work` gives, or undefined where it refuses by the rules. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isConnectorError(error) || error.type !== 'POSTGRESQL:SETTINGS') throw error;
    if (error.message.includes(CANARY) || error.properties?.join().includes(CANARY))
      throw new Error(`a value is shown: ${error.message}`, { cause: error });
    return undefined;
  }
}

function checkReading(parsed: RawProperties, isLong: boolean): void {
  const text = attempt(() => formatConnectionString(parsed));
  // Canonical names and quotes may carry a text beyond the limit.
  if (text === undefined && isLong) return;
  if (text === undefined) throw new Error('it cannot be formatted');
  const again = parseConnectionString(text);
  if (!isEqual(parsed, again)) throw new Error(`two readings, the second by ${JSON.stringify(text)}`);
}

function isEqual(one: RawProperties, other: RawProperties): boolean {
  const names = Object.keys(one) as (keyof RawProperties)[];
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** `work` done in time; pauses of the machine and of the garbage collector are told apart by trying again. */
function timed<T>(report: { slowestMs: number; slowestLongMs: number }, text: string, work: () => T): T {
  const isLong = text.length > LONG;
  const limit = isLong ? LONG_LIMIT_MS : LIMIT_MS;
  const [result, first] = measured(work);
  let ms = first;
  for (let retry = 0; retry < 3 && ms > limit / 5; retry += 1) {
    const [, again] = measured(work);
    ms = Math.min(ms, again);
  }
  if (ms > limit) throw new Error(`it took ${ms.toFixed(1)} ms`);
  if (isLong) report.slowestLongMs = Math.max(report.slowestLongMs, ms);
  else report.slowestMs = Math.max(report.slowestMs, ms);
  return result;
}

function measured<T>(work: () => T): [result: T, ms: number] {
  const start = performance.now();
  const result = work();
  return [result, performance.now() - start];
}

function main([count = '10000000', seed = String(Date.now() % 1_000_000)]: readonly string[]): void {
  Error.stackTraceLimit = 0; // Nobody looks at the stacks of millions of refusals.
  const start = performance.now();
  const report = fuzz(Number(count), Number(seed), tellProgress(Number(count), 'strings'));
  console.log({ seed: Number(seed), ...report, seconds: Math.round((performance.now() - start) / 1_000) });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
