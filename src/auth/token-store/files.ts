import * as fs from 'node:fs/promises';

/** The calls to the file system that a token file needs; injected, so that each of them can be made to fail. */
export type Files = Pick<
  typeof fs,
  'lstat' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'rmdir' | 'stat' | 'unlink' | 'utimes'
>;

export const systemFiles: Files = fs;

/** The code of a failed system call (`ENOENT` …); undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** For what is tidied up: it is tried, and left where that fails. */
export async function attempt(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
