import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './files.js';

/** An owner is `place-pid-birth-random`: enough to see from its name whether its process still runs. */
const OWNER = /^([0-9a-f]{16})-(\d{1,10})-(\d{1,20})-[0-9a-f]{16}$/;

/** Birth of a process where the system does not tell it. */
const UNKNOWN_BIRTH = '0';

/** A name that nothing else has, for something that this process makes now. */
export function newOwner(): string {
  return [place(), process.pid, ownBirth(), randomBytes(8).toString('hex')].join('-');
}

export function isOwner(name: string): boolean {
  return OWNER.test(name);
}

/** True when `owner` names a process of this machine that runs no more. False where that cannot be known. */
export function hasGone(owner: string): boolean {
  const [, at, pid, birth] = OWNER.exec(owner) ?? [];
  if (at !== place()) return false;
  try {
    if (birth === UNKNOWN_BIRTH) process.kill(Number(pid), 0);
    else return birthOf(Number(pid)) !== birth;
    return false;
  } catch (error) {
    return ['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '');
  }
}

let knownPlace: string | undefined;

/** Where a process id means the same process: this machine, and its container. */
function place(): string {
  knownPlace ??= createHash('sha256').update(`${hostname()}\n${pidNamespace()}`).digest('hex').slice(0, 16);
  return knownPlace;
}

// Containers may share a host name while each counts its processes from 1.
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function ownBirth(): string {
  try {
    return birthOf(process.pid) ?? UNKNOWN_BIRTH;
  } catch {
    return UNKNOWN_BIRTH;
  }
}

/**
 * When process `pid` began, in ticks since the machine did (proc_pid_stat(5), fields 3 and 22): ids
 * are given again, and a container that restarts has the same ones. Undefined for one that has ended
 * and is not yet waited for. Throws where there is no such process or no /proc.
 */
function birthOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}
