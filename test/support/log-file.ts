import * as fsPromises from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { LogFile, type LogFileOptions } from '#src/log-file.js';
import type { LogFiles, OpenFile } from '#src/rotating-file.js';
import { FakeClock } from './fake-clock.js';
import { useFolder } from './folder.js';

/** Smallest size at which a log rotates, in bytes. */
export const SMALLEST = 102_400;
/** 1,000 bytes with its line break. */
export const LINE = 'x'.repeat(999);

/** The folder of a log, and logs `flow.log` in it. */
export interface LogFolder {
  /** Of a file in the folder; of the log without a name. */
  readonly path: (name?: string) => string;
  /** Of all files, sorted. */
  readonly names: () => string[];
  /** Text of the log. */
  readonly read: () => string;
  /** Text of all files in the order of their names. */
  readonly readAll: () => string;
  /** A log with everything that it told. */
  readonly openLog: (changes?: Partial<LogFileOptions>) => { log: LogFile; told: string[]; clock: FakeClock };
  /** Writes {@link LINE} `count` times through a log of its own. */
  readonly writeLines: (count: number, changes?: Partial<LogFileOptions>) => Promise<void>;
}

/** Registers hooks that make and delete the folder for each test; call it in a `describe`. */
export function useLogFolder(): LogFolder {
  const folder = useFolder();
  const used: LogFolder = {
    path: (name = 'flow.log') => folder.path(name),
    names: () => readdirSync(folder.path()).sort(),
    read: () => readFileSync(used.path(), 'utf8'),
    readAll: () =>
      used
        .names()
        .map((name) => readFileSync(used.path(name), 'utf8'))
        .join(''),
    openLog(changes = {}) {
      const told: string[] = [];
      const clock = new FakeClock();
      const note = (text: string): string => {
        told.push(text);
        return text;
      };
      const log = new LogFile({
        path: used.path(),
        maxBytes: SMALLEST,
        maxFiles: 0,
        clock,
        notices: {
          failed: (problem) => note(`failed: ${(problem as Error).message}`),
          lost: (count) => note(`lost: ${String(count)}`),
          tightened: () => note('tightened'),
        },
        ...changes,
      });
      return { log, told, clock };
    },
    async writeLines(count, changes) {
      const { log } = used.openLog(changes);
      for (let index = 0; index < count; index += 1) log.write(LINE);
      await log.close();
    },
  };
  return used;
}

/** An error as the file system has it. */
export function errorOf(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Real files, of which `change` changes what an open one does. */
export function opening(change: (file: OpenFile) => OpenFile): LogFiles {
  return {
    ...fsPromises,
    open: async (...args) => {
      const file = await fsPromises.open(...args);
      return change({
        chmod: (mode) => file.chmod(mode),
        close: () => file.close(),
        stat: () => file.stat(),
        read: (into, at, length, from) => file.read(into, at, length, from),
        write: (bytes, from) => file.write(bytes, from),
      });
    },
  };
}

/** Real files, of which `call` fails with `code` while `isBad`. */
export function failing(call: 'open' | 'stat' | 'write', code: string, isBad: () => boolean): LogFiles {
  const failure = (): Promise<never> => Promise.reject(errorOf(code));
  if (call === 'open') {
    return { ...fsPromises, open: (...args) => (isBad() ? failure() : fsPromises.open(...args)) };
  }
  return opening((file) => (isBad() ? { ...file, [call]: failure } : file));
}
