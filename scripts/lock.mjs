// One run at a time may install or build: a lock file in .build/ that names its holder.
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { childPids, Failure, root, say } from './run.mjs';

const PATH = join(root, '.build', 'lock.json');
const BEAT_MS = 500;
/** A holder on another machine (or in another container) counts as gone after this silence. */
const SILENCE_MS = 60_000;
const POLL_MS = 250;

/** Runs `work` while no other run holds the lock; waits for its turn as long as the holder lives. */
export async function withLock(work) {
  let told = false;
  while (!take()) {
    const holder = read(PATH);
    if (holder !== undefined && isGone(holder)) {
      breakLock(holder);
      continue;
    }
    if (!told) say(`waiting for another run (process ${holder?.pid ?? '?'}) that installs or builds here …`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const release = () => rmSync(PATH, { force: true });
  process.on('exit', release);
  const beat = setInterval(() => tend(), BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.off('exit', release);
    release();
  }
}

function take() {
  try {
    mkdirSync(dirname(PATH), { recursive: true });
    writeFileSync(PATH, describe(), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw new Failure(`cannot write to ${dirname(PATH)} (${error.code}). Does this folder belong to you?`);
  }
}

function describe() {
  const people = [process.pid, ...childPids()].map((pid) => ({ pid, born: born(pid) }));
  return JSON.stringify({ pid: process.pid, host: hostname(), people });
}

/** Keeps the lock fresh and names the present children: they may outlive a killed parent. */
function tend() {
  try {
    const text = describe();
    writeFileSync(PATH, text, { flag: 'r+' });
    truncateSync(PATH, text.length);
    utimesSync(PATH, new Date(), new Date());
  } catch {
    // Someone removed the lock by hand; the work goes on.
  }
}

function read(path) {
  try {
    return { ...JSON.parse(readFileSync(path, 'utf8')), touchedMs: statSync(path).mtimeMs };
  } catch {
    // Released a moment ago, or being written just now. An unreadable old one is nobody's.
    const touchedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    return touchedMs !== undefined && Date.now() - touchedMs > SILENCE_MS ? { touchedMs } : undefined;
  }
}

function isGone({ host, people = [], touchedMs }) {
  if (host !== hostname()) return Date.now() - touchedMs > SILENCE_MS;
  return !people.some(({ pid, born: then }) => isAlive(pid) && born(pid) === then);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * When process `pid` started, where the system tells (Linux): tells a process from a later one of its
 * number. Undefined for one that has ended and only waits to be collected.
 */
function born(pid) {
  try {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return state === 'Z' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

/** Removes the lock of a holder that is gone; of several that try, one moves it and the others look again. */
function breakLock(holder) {
  const aside = `${PATH}.${process.pid}`;
  try {
    renameSync(PATH, aside);
  } catch {
    return;
  }
  const moved = read(aside);
  // Another run broke the lock first and took it: what was moved is theirs, so it goes back.
  if (moved !== undefined && moved.touchedMs !== holder.touchedMs) renameSync(aside, PATH);
  else rmSync(aside, { force: true });
}
