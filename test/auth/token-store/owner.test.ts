import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { hasGone, isOwner, newOwner } from '#src/auth/token-store/owner.js';
import { ownerWith } from './stores.js';

describe('owner of a lock or a temporary file', () => {
  const ended = String(spawnSync(process.execPath, ['--version']).pid);

  it('has a name that nothing else has', () => {
    const names = Array.from({ length: 1_000 }, newOwner);
    expect(new Set(names).size).to.equal(1_000);
    expect(names.every(isOwner)).to.equal(true);
  });

  it('is not gone while its process runs', () => {
    expect(hasGone(newOwner())).to.equal(false);
    expect(hasGone(ownerWith({ pid: String(process.ppid), birth: '0' }))).to.equal(false);
  });

  it('is gone with its process, also where the birth of a process is not known', () => {
    expect(hasGone(ownerWith({ pid: ended }))).to.equal(true);
    expect(hasGone(ownerWith({ pid: ended, birth: '0' }))).to.equal(true);
  });

  it('is gone when another process has its id now, as in a container that was started again', () => {
    expect(hasGone(ownerWith({ birth: '1' }))).to.equal(process.platform === 'linux');
  });

  it('is never said to be gone when it is of another machine, or no owner at all', () => {
    expect(hasGone(ownerWith({ place: '0'.repeat(16), pid: ended }))).to.equal(false);
    for (const name of ['', 'authorized_keys', `${newOwner()}x`, newOwner().toUpperCase()]) {
      expect(isOwner(name), name).to.equal(false);
      expect(hasGone(name), name).to.equal(false);
    }
  });
});
