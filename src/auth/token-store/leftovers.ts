import { basename, dirname, join } from 'node:path';
import { attempt, type Files } from './files.js';
import { hasGone, isOwner } from './owner.js';

const SUFFIX = '.tmp';

/** Left by a process of another machine, it is nobody's any more after an hour. */
const FORGOTTEN_MS = 3_600_000;

/** Name beside `path` of something that `owner` has not finished yet. */
export function temporaryName(path: string, owner: string): string {
  return `${path}.${owner}${SUFFIX}`;
}

/** Removes what processes that were killed left unfinished beside `path`. */
export async function removeLeftovers(path: string, files: Files, wallMs: number): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await files.readdir(dirname(path))) {
    if (!name.startsWith(start) || !name.endsWith(SUFFIX)) continue;
    const owner = name.slice(start.length, -SUFFIX.length);
    if (!isOwner(owner)) continue;
    const left = join(dirname(path), name);
    if (hasGone(owner) || (await isForgotten(left, files, wallMs)))
      await attempt(files.rm(left, { recursive: true, force: true }));
  }
}

async function isForgotten(path: string, files: Files, wallMs: number): Promise<boolean> {
  try {
    return wallMs - (await files.lstat(path)).mtimeMs > FORGOTTEN_MS;
  } catch {
    return false;
  }
}
