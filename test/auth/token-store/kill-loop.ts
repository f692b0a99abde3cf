import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemFiles } from '#src/auth/token-store/files.js';
import { TokenFile } from '#src/auth/token-store/token-file.js';
import { systemClock } from '#src/clock.js';
import { Child } from './children.js';
import { FINGERPRINT, MATERIAL, namesBeside, openStore } from './stores.js';

/** What a {@link killLoop} saw. */
export interface Toll {
  kills: number;
  /** Kills that left something unfinished: so many met a write. */
  interrupted: number;
  /** Reads of the reader that ran beside, and how often it saw another token. */
  reads: number;
  changes: number;
  /** Reads, of the reader or after a kill, that gave anything but a whole token. */
  corrupt: number;
  /** What a killed writer left and the next start did not remove. */
  leftovers: number;
  warnings: number;
}

const WRITERS = 2;

/** Two writers and a reader of `path`, of which writers are killed `kills` times at any moment of their work. */
export async function killLoop(path: string, kills: number): Promise<Toll> {
  const toll: Toll = {
    kills: 0,
    interrupted: 0,
    reads: 0,
    changes: 0,
    corrupt: 0,
    leftovers: 0,
    warnings: 0,
  };
  const reader = await Child.start('read', path);
  await Promise.all(Array.from({ length: WRITERS }, () => killWriters(path, kills / WRITERS, toll)));
  const { reads = 0, changes = 0, corrupt = 0 } = await reader.ask('reads');
  await reader.kill();
  await openStore(path).obtain('the next start', { accepts: () => true, request: neverNeeded });
  const others = (await namesBeside(path)).filter((name) => name !== basename(path));
  return {
    ...toll,
    reads,
    changes,
    corrupt: toll.corrupt + corrupt,
    leftovers: toll.leftovers + others.length,
  };
}

/** Kills `kills` writers, each started after the one before; what each left must be gone when the next one writes. */
async function killWriters(path: string, kills: number, toll: Toll): Promise<void> {
  let writer = await Child.start('write', path);
  for (let left = kills; left > 0; left -= 1) {
    const { pid } = writer;
    await new Promise((resolve) => setTimeout(resolve, 25 * Math.random()));
    await writer.kill();
    toll.kills += 1;
    toll.warnings += writer.warnings.length;
    if ((await leftBy(pid, path)).length > 0) toll.interrupted += 1;
    if (!(await isWhole(path))) toll.corrupt += 1;
    if (left === 1) return;
    writer = await Child.start('write', path);
    toll.leftovers += (await leftBy(pid, path)).length;
  }
}

/** Names beside `path`, and in its lock, that the process `pid` made. */
async function leftBy(pid: number, path: string): Promise<string[]> {
  const inLock = await readdir(`${path}.lock`).catch(() => []);
  const beside = await readdir(dirname(path));
  return [...beside, ...inLock].filter((name) => name.includes(`-${String(pid)}-`));
}

async function isWhole(path: string): Promise<boolean> {
  const file = new TokenFile({ path, files: systemFiles, clock: systemClock, onNarrowed: () => undefined });
  return (await file.read({ material: MATERIAL, fingerprint: FINGERPRINT })).kind === 'token';
}

function neverNeeded(): Promise<never> {
  return Promise.reject(new Error('the file holds no token'));
}
