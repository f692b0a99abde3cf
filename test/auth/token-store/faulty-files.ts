import type { FileHandle } from 'node:fs/promises';
import { systemFiles, type Files } from '#src/auth/token-store/files.js';

/** One call to the file system. */
export interface Call {
  /** `rename`, or `file.sync` for a call on an open file. */
  readonly name: string;
  readonly args: readonly unknown[];
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** Stands in the way of each call: may throw, or change what `work` gives. */
export type Gate = (call: Call, work: () => Promise<unknown>) => Promise<unknown>;

/** The real file system with `gate` before each call. */
export function gatedFiles(gate: Gate): Files {
  const through = (target: object, prefix: string): object =>
    new Proxy(target, {
      get(_, property) {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== 'function') return member;
        const method = member.bind(target) as Method;
        return async (...args: unknown[]) => {
          const call = { name: prefix + String(property), args };
          const result = await gate(call, () => method(...args));
          return call.name === 'open' ? through(result as FileHandle, 'file.') : result;
        };
      },
    });
  return through({ ...systemFiles }, '') as Files;
}

/** The error of a system call. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made to fail`), { code });
}

/** Files that note their calls in `calls`; number `failing` (from 0) fails with `code`. */
export function failingFiles(calls: Call[], failing = -1, code = ''): Files {
  return gatedFiles(async (call, work) => {
    const isFailing = calls.push(call) - 1 === failing;
    if (!isFailing) return work();
    // What close() complains of is closed all the same.
    if (call.name === 'file.close') await work();
    throw systemError(code);
  });
}
