import type { LogSettings } from '../diagnostics.js';
import { MODULES, type Verbosity } from '../event-table.js';
import { parseSize } from './size.js';
import type { ValueReader } from './value-reader.js';

/** 100 KB, the least that a log file is given: it holds whole lines. */
const SMALLEST_BYTES = 102_400;

/** Which events are written, and where. */
export function logOf(values: ValueReader): LogSettings {
  const verbosity = values.integer('Verbosity') as Verbosity;
  return {
    file: values.optional('Logfile'),
    // A host that keeps its own log chooses by its own levels, unless it is told how much to ask for.
    isVerbosityGiven: values.has('Verbosity'),
    verbosity,
    modules: modulesOf(values),
    maxFileBytes: sizeOf(values),
    maxFiles: countOf(values),
  };
}

function modulesOf(values: ValueReader): readonly string[] {
  const known = Object.keys(MODULES);
  const modules = values.list('LogModules').map((name) => name.toUpperCase());
  const unknown = modules.filter((name) => !known.includes(name));
  if (unknown.length > 0) values.problem('LogModules', `must name some of ${known.join(', ')}`);
  return modules;
}

function sizeOf(values: ValueReader): number {
  const size = parseSize(values.text('MaxLogFileSize'));
  if (size === undefined) values.problem('MaxLogFileSize', 'must be a size, such as 512KB or 100MB');
  if (size === undefined || size >= SMALLEST_BYTES) return size ?? 0;
  if (values.has('Logfile')) values.readAs('MaxLogFileSize', '100KB', ': no file is cut smaller');
  return SMALLEST_BYTES;
}

function countOf(values: ValueReader): number {
  const count = values.integer('MaxLogFileCount');
  if (count !== 1) return count;
  if (values.has('Logfile'))
    values.readAs('MaxLogFileCount', '2', ': the one that is written and the one before');
  return 2;
}
