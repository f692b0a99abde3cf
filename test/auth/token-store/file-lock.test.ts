import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileLock, LEASE_MS, type HeldLock } from '#src/auth/token-store/file-lock.js';
import { systemFiles } from '#src/auth/token-store/files.js';
import { removeLeftovers, temporaryName } from '#src/auth/token-store/leftovers.js';
import { newOwner } from '#src/auth/token-store/owner.js';
import { FakeClock, HastyClock } from '../../support/fake-clock.js';
import { namesBeside, ownerWith, Sharer, usePaths } from './stores.js';

const newPath = usePaths();

function lockOf(path: string, clock = new FakeClock()): FileLock {
  return new FileLock(path, { files: systemFiles, clock });
}

// The id of this process was that of another one, which began at another time.
const gone = (): string => ownerWith({ birth: '1' });
const onAnotherMachine = (): string => ownerWith({ place: '0123456789abcdef' });

async function leaveLock(path: string, owner: string): Promise<void> {
  await mkdir(`${path}.lock`);
  await writeFile(join(`${path}.lock`, owner), '');
}

/** Waits until what a renewal writes has been written. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

describe('lock of a token file', () => {
  it('is held by one at a time', async () => {
    const path = newPath();
    const [one, other] = [lockOf(path), lockOf(path)];
    const held = await one.tryAcquire();
    expect(held).not.to.equal(undefined);
    expect(await other.tryAcquire()).to.equal(undefined);
    expect(await one.tryAcquire()).to.equal(undefined);
    await held!.release();
    expect(await namesBeside(path)).to.deep.equal([]);
    const next = await other.tryAcquire();
    expect(next).not.to.equal(undefined);
    await next!.release();
  });

  const beginnings: Record<string, (path: string) => Promise<unknown>> = {
    'a free lock': async () => undefined,
    'the lock of a holder that is gone': (path) => leaveLock(path, gone()),
    'an empty lock, left half-way': (path) => mkdir(`${path}.lock`),
  };
  for (const [what, begin] of Object.entries(beginnings)) {
    it(`goes to one of fifty who want ${what} at once`, async () => {
      const path = newPath();
      await begin(path);
      const tries = await Promise.all(Array.from({ length: 50 }, () => lockOf(path).tryAcquire()));
      const held = tries.filter((lock) => lock !== undefined);
      expect(held).to.have.lengthOf(1);
      expect(await readdir(`${path}.lock`)).to.have.lengthOf(1);
      await held[0]!.release();
      expect(await namesBeside(path)).to.deep.equal([]);
    });
  }

  it('F-05 is never held twice by those who take turns, some of whom are gone without giving it back', async () => {
    const path = newPath();
    let holders = 0;
    let turns = 0;
    const takeTurns = async (): Promise<void> => {
      const lock = lockOf(path);
      for (let own = 0; own < 15;) {
        const held = await lock.tryAcquire();
        if (!held) continue;
        holders += 1;
        expect(holders).to.equal(1);
        await new Promise((resolve) => setImmediate(resolve));
        holders -= 1;
        own += 1;
        turns += 1;
        await held.release();
        // Only where the name is free, as a process that then is killed takes it.
        if (own % 5 === 0) await leaveLock(path, gone()).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: 8 }, takeTurns));
    expect(turns).to.equal(8 * 15);
  });

  it('is taken from a holder on another machine when its lease has passed without a renewal', async () => {
    const path = newPath();
    await leaveLock(path, onAnotherMachine());
    const clock = new FakeClock();
    const lock = lockOf(path, clock);
    expect(await lock.tryAcquire()).to.equal(undefined);
    clock.advance(LEASE_MS - 1);
    expect(await lock.tryAcquire()).to.equal(undefined);
    clock.advance(1);
    const held = await lock.tryAcquire();
    expect(held).not.to.equal(undefined);
    await held!.release();
  });

  it('believes no clock of another machine: only a renewal counts, whatever its time', async () => {
    const path = newPath();
    const owner = onAnotherMachine();
    await leaveLock(path, owner);
    const clock = new FakeClock();
    const lock = lockOf(path, clock);
    for (const seconds of [1, 4_000_000_000, 2]) {
      await utimes(join(`${path}.lock`, owner), seconds, seconds);
      expect(await lock.tryAcquire()).to.equal(undefined);
      clock.advance(LEASE_MS - 1);
      expect(await lock.tryAcquire()).to.equal(undefined);
    }
  });

  it('is renewed by its holder as long as it is held, and no timer outlives it', async () => {
    const path = newPath();
    const clock = new FakeClock();
    const held = await lockOf(path, clock).tryAcquire();
    const waiting = lockOf(path, clock);
    const [owner = ''] = await readdir(`${path}.lock`);
    for (let lease = 0; lease < 3; lease += 1) {
      expect(await waiting.tryAcquire()).to.equal(undefined);
      for (let quarter = 0; quarter < 4; quarter += 1) {
        clock.advance(LEASE_MS / 4);
        const renewed = Math.floor(clock.wallMs() / 1_000);
        await until(async () => {
          const { mtimeMs } = await systemFiles.lstat(join(`${path}.lock`, owner));
          return Math.floor(mtimeMs / 1_000) === renewed && clock.pendingTimers === 1;
        });
      }
    }
    await held!.release();
    expect(clock.pendingTimers).to.equal(0);
  });

  it('removes nothing that it did not make, and says so', async () => {
    const path = newPath();
    const elsewhere = `${path}-elsewhere`;
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'precious'), '');
    await symlink(elsewhere, `${path}.lock`);
    const clock = new FakeClock();
    const lock = lockOf(path, clock);
    for (const ms of [0, 2 * LEASE_MS]) {
      clock.advance(ms);
      const outcome = await lock.tryAcquire().catch((error: unknown) => error);
      expect(String(outcome)).to.contain('is no lock');
    }
    expect(await readdir(elsewhere)).to.deep.equal(['precious']);
    expect(await namesBeside(path)).to.deep.equal(['token-elsewhere', 'token.lock']);
    const sharer = new Sharer(path);
    expect(await sharer.obtain('token')).to.equal('token');
    expect(sharer.warnings.join()).to.contain('in memory only');
  });

  it('is not taken from its next holder by one who comes back late', async () => {
    const path = newPath();
    const clock = new FakeClock();
    // The holder stands still: its clock does not move, so that it renews nothing.
    const late = await lockOf(path).tryAcquire();
    const lock = lockOf(path, clock);
    await lock.tryAcquire();
    clock.advance(LEASE_MS);
    const next = await lock.tryAcquire();
    expect(next).not.to.equal(undefined);
    await late!.release();
    expect(await lockOf(path).tryAcquire()).to.equal(undefined);
    await next!.release();
    expect(await namesBeside(path)).to.deep.equal([]);
  });

  it('lets a waiting process go on when the holder is gone, and when its own caller gives up', async () => {
    const path = newPath();
    const holder: HeldLock = (await lockOf(path).tryAcquire())!;
    const giving = new AbortController();
    const clock = new HastyClock();
    clock.after = (delayMs, task) => {
      if (clock.waits.push(delayMs) === 5) giving.abort(new Error('given up'));
      setImmediate(task);
      return () => undefined;
    };
    const waiting = new Sharer(path, { clock });
    const outcome = await waiting.obtain('token', { signal: giving.signal }).catch((error: unknown) => error);
    expect(String(outcome)).to.equal('Error: given up');
    expect(waiting.requests).to.equal(0);
    expect(clock.waits.every((pause) => pause >= 10 && pause <= 200)).to.equal(true);
    await holder.release();
    expect(await waiting.obtain('token')).to.equal('token');
  });
});

describe('what killed processes leave', () => {
  it('F-02 is removed at the next start: temporary files, locks that were being made, and the lock', async () => {
    const path = newPath();
    await new Sharer(path).obtain('first');
    await writeFile(temporaryName(path, gone()), 'half a file');
    const making = temporaryName(path, gone());
    await mkdir(making);
    await writeFile(join(making, gone()), '');
    await leaveLock(path, gone());
    expect(await new Sharer(path).obtain('second')).to.equal('first');
    expect(await namesBeside(path)).to.deep.equal(['token']);
  });

  it('F-02 of another machine is removed after an hour; what runs, or is none of ours, stays', async () => {
    const path = newPath();
    const wallMs = Date.UTC(2030, 0);
    const at = async (name: string, ageMs: number): Promise<string> => {
      await writeFile(name, '');
      await utimes(name, (wallMs - ageMs) / 1_000, (wallMs - ageMs) / 1_000);
      return name;
    };
    const old = await at(temporaryName(path, onAnotherMachine()), 3_601_000);
    const staying = [
      await at(temporaryName(path, onAnotherMachine()), 3_599_000),
      await at(temporaryName(path, newOwner()), 0),
      await at(`${path}.notes.tmp`, 1e9),
      await at(`${path}0.${gone()}.tmp`, 1e9),
    ];
    await removeLeftovers(path, systemFiles, wallMs);
    const left = (await namesBeside(path)).map((name) => join(path, '..', name));
    expect(left).to.include.members(staying).and.not.to.include(old);
  });
});
