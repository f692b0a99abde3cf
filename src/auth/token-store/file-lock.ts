import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import { attempt, codeOf, type Files } from './files.js';
import { temporaryName } from './leftovers.js';
import { hasGone, isOwner, newOwner } from './owner.js';

/** A lock whose holder has not renewed it for so long is taken over. */
export const LEASE_MS = 10_000;

// Two renewals may fail or come late.
const RENEWAL_MS = LEASE_MS / 4;

/** What `rename` says of a folder that is there and not empty. */
const TAKEN = ['ENOTEMPTY', 'EEXIST'];

/** A lock that this process holds. */
export interface HeldLock {
  /** Gives it back; never rejects. */
  release(): Promise<void>;
}

/**
 * One lock among all processes that share a file system: the folder `<path>.lock`, whose one entry
 * is named after its holder. It comes into being whole, by renaming a folder that holds its entry
 * already, which fails while another one is there that is not empty. It is given back, or taken from a
 * holder that is gone, by removing the entry of that very name: whoever comes late removes nothing, so no
 * two of them ever hold it. (With a plain file the late one would remove the lock of the next holder.)
 *
 * A holder is gone when its process is, or when it has not renewed its entry during a lease that passed
 * on the steady clock of the one who waits: no clock of another machine is believed.
 */
export class FileLock {
  readonly #path: string;
  readonly #guarded: string;
  readonly #files: Files;
  readonly #clock: Clock;
  #seen: { holder: string; renewedAtMs: number; sinceMs: number } | undefined;

  /** The lock of the file `path`. */
  constructor(path: string, { files, clock }: { readonly files: Files; readonly clock: Clock }) {
    this.#path = `${path}.lock`;
    this.#guarded = path;
    this.#files = files;
    this.#clock = clock;
  }

  /**
   * The lock, or undefined while somebody else holds it. Does not wait.
   *
   * @throws the error of a system call that makes locking impossible
   */
  async tryAcquire(): Promise<HeldLock | undefined> {
    if (!(await this.clear())) return undefined;
    const owner = newOwner();
    const made = temporaryName(this.#guarded, owner);
    try {
      await this.#files.mkdir(made, { mode: 0o700 });
      await (await this.#files.open(join(made, owner), 'wx', 0o600)).close();
      await this.#files.rename(made, this.#path);
    } catch (error) {
      await attempt(this.#files.rm(made, { recursive: true, force: true }));
      // Windows has no code of its own for it.
      if (TAKEN.includes(codeOf(error) ?? '') || (await this.#holder()) !== undefined) return undefined;
      throw error;
    }
    return this.#held(owner);
  }

  /** Removes a lock whose holder is gone. True when nobody holds it now. */
  async clear(): Promise<boolean> {
    const holder = await this.#holder();
    if (holder === undefined) return true;
    if (!hasGone(holder) && !(await this.#leaseIsOver(holder))) return false;
    await this.#remove(holder);
    return true;
  }

  async #holder(): Promise<string | undefined> {
    try {
      const names = await this.#files.readdir(this.#path);
      const holder = names.find(isOwner);
      // A link may lead anywhere: nothing is ever removed that was not made here.
      if (holder === undefined && names.length > 0) throw new Error(`${this.#path} is no lock`);
      // Somebody was stopped half-way. Windows does not rename onto a folder, be it empty.
      if (holder === undefined) await attempt(this.#files.rmdir(this.#path));
      return holder;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #leaseIsOver(holder: string): Promise<boolean> {
    const renewedAtMs = await this.#renewalOf(holder);
    const nowMs = this.#clock.steadyMs();
    const seen = this.#seen;
    if (seen?.holder === holder && seen.renewedAtMs === renewedAtMs) return nowMs - seen.sinceMs >= LEASE_MS;
    this.#seen = { holder, renewedAtMs, sinceMs: nowMs };
    return false;
  }

  async #renewalOf(holder: string): Promise<number> {
    try {
      return (await this.#files.lstat(join(this.#path, holder))).mtimeMs;
    } catch (error) {
      // Given back a moment ago: the next look will tell.
      if (codeOf(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  async #remove(holder: string): Promise<void> {
    try {
      await this.#files.unlink(join(this.#path, holder));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    // Not empty where the next holder was faster.
    await attempt(this.#files.rmdir(this.#path));
  }

  #held(owner: string): HeldLock {
    const endRenewal = this.#keepRenewing(join(this.#path, owner));
    return {
      release: async () => {
        endRenewal();
        await attempt(this.#remove(owner));
      },
    };
  }

  /** Renews `entry` until the returned function is called. Where that fails, the lease runs out and nothing worse. */
  #keepRenewing(entry: string): () => void {
    let isOver = false;
    let cancel: () => void;
    const renew = async (): Promise<void> => {
      const nowSeconds = this.#clock.wallMs() / 1_000;
      await attempt(this.#files.utimes(entry, nowSeconds, nowSeconds));
      if (!isOver) schedule();
    };
    const schedule = (): void => {
      cancel = this.#clock.after(RENEWAL_MS, () => void renew(), { background: true });
    };
    schedule();
    return () => {
      isOver = true;
      cancel();
    };
  }
}
