import { constants, type Stats } from 'node:fs';
import * as systemFiles from 'node:fs/promises';
import { basename, dirname, join, parse, resolve } from 'node:path';
import type { Clock } from './clock.js';

/** The calls of `node:fs/promises` that the log makes; injected by tests. */
export interface LogFiles {
  open(path: string, flags: number | string, mode: number): Promise<OpenFile>;
  lstat(path: string): Promise<{ readonly ino: number }>;
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** What the log does with an open file (`FileHandle` of `node:fs/promises`). */
export interface OpenFile {
  stat(): Promise<Pick<Stats, 'ino' | 'isFile' | 'mode' | 'nlink' | 'size' | 'uid'>>;
  chmod(mode: number): Promise<void>;
  read(into: Buffer, at: number, length: number, from: number): Promise<{ readonly bytesRead: number }>;
  write(bytes: Buffer, from: number): Promise<{ readonly bytesWritten: number }>;
  close(): Promise<void>;
}

export interface RotatingFileOptions {
  /** Taken from the working directory of the moment when it is relative; its folder must exist. */
  readonly path: string;
  /** Size that no file grows beyond, at least 100 KB. */
  readonly maxBytes: number;
  /** Most files, the present one included, at least 2; 0 or less: no limit. */
  readonly maxFiles: number;
  readonly clock: Clock;
  readonly files?: LogFiles | undefined;
  /** Others could read the file; now they cannot. */
  readonly onTightened: () => void;
  /** Tells by its first 19 characters whether a file that is there was written by us; absent: any is taken. */
  readonly isOurs?: ((start: string) => boolean) | undefined;
  /** Older files could not be deleted, for this reason. */
  readonly onUntidy: (problem: unknown) => void;
}

const SMALLEST_LIMIT = 102_400;
const FEWEST_FILES = 2;
const NEWLINE = 10;

// Not through a symbolic link, and without waiting for the reader of a FIFO. Windows has neither flag.
const FLAGS =
  constants.O_RDWR |
  constants.O_APPEND |
  constants.O_CREAT |
  ((constants.O_NOFOLLOW as number | undefined) ?? 0) |
  ((constants.O_NONBLOCK as number | undefined) ?? 0);

const START_BYTES = 19;

/**
 * A file of lines that only its owner can read. It is open only while something is written, so
 * that nothing is held when the log falls silent, and other programs may move the file away.
 *
 * Any number of processes may write to one file: each write appends whole lines at once. At its
 * largest size the file is renamed to `name.20261121T213703123Z.ext`, in UTC, and the oldest
 * files so named are deleted.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #options: RotatingFileOptions;
  readonly #files: LogFiles;
  readonly #maxBytes: number;
  /** The last write broke off within a line. */
  #isMidLine = false;
  /** Time in the last name that was given to a full file. */
  #namedMs = 0;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#path = resolve(options.path);
    this.#files = options.files ?? systemFiles;
    this.#maxBytes = Math.max(options.maxBytes, SMALLEST_LIMIT);
  }

  /** Writes `bytes`, whole lines of less than 100 KB together. One call at a time; rejects where the disk or the file is not as it should be. */
  async append(bytes: Buffer): Promise<void> {
    const file = await this.#openFor(bytes.length);
    try {
      await this.#writeAll(file, this.#isMidLine ? Buffer.concat([Buffer.of(NEWLINE), bytes]) : bytes);
    } finally {
      await file.close();
    }
  }

  /** The present file with room for `bytes`; the one before has made way where it was full. */
  async #openFor(bytes: number): Promise<OpenFile> {
    const { file, size, inode } = await this.#open();
    if (size === 0 || size + bytes <= this.#maxBytes) return file;
    await file.close();
    await this.#rotate(inode);
    return (await this.#open()).file;
  }

  async #writeAll(file: OpenFile, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, at);
      if (bytesWritten === 0) throw new Error('the disk takes nothing');
      at += bytesWritten;
      this.#isMidLine = bytes[at - 1] !== NEWLINE;
    }
  }

  /** The file of this name, made if need be, and sure to be nobody else's. */
  async #open(): Promise<{ file: OpenFile; size: number; inode: number }> {
    const file = await this.#files.open(this.#path, FLAGS, 0o600);
    try {
      const facts = await file.stat();
      if (!facts.isFile()) throw new Error('it is not a regular file');
      if (facts.nlink > 1) throw new Error('it has a second name (hard link)');
      if (facts.size > 0) await this.#requireOurs(file);
      if (process.getuid) await this.#requireOwnerOnly(file, facts, process.getuid());
      return { file, size: facts.size, inode: facts.ino };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  // A path that was mistyped must not cost somebody a file.
  async #requireOurs(file: OpenFile): Promise<void> {
    const { isOurs } = this.#options;
    if (!isOurs) return;
    const start = Buffer.alloc(START_BYTES);
    await file.read(start, 0, START_BYTES, 0);
    if (!isOurs(start.toString('latin1')))
      throw new Error('it holds something else than a log; name another file');
  }

  async #requireOwnerOnly(
    file: OpenFile,
    { uid, mode }: { uid: number; mode: number },
    user: number,
  ): Promise<void> {
    if (uid !== user) throw new Error('it belongs to another user');
    if ((mode & 0o077) === 0) return;
    await file.chmod(0o600);
    // Some file systems have no modes and say yes to everything.
    if (((await file.stat()).mode & 0o077) !== 0) throw new Error('others can read it');
    this.#options.onTightened();
  }

  /** Moves the full file (`inode`) away, unless another process was faster. */
  async #rotate(inode: number): Promise<void> {
    const present = await this.#files.lstat(this.#path).catch(unlessAbsent);
    if (present?.ino !== inode) return;
    const target = await this.#reserveName();
    await this.#files.rename(this.#path, target).catch(async (error: unknown) => {
      await this.#files.unlink(target);
      unlessAbsent(error);
    });
    await this.#prune().catch(this.#options.onUntidy);
  }

  /** An empty file under a name that nobody else has, for the rename to replace. */
  async #reserveName(): Promise<string> {
    const { dir, name, ext } = parse(this.#path);
    for (;;) {
      // Names sort in the order of their making, even where the wall clock goes back.
      this.#namedMs = Math.max(this.#options.clock.wallMs(), this.#namedMs + 1);
      const target = join(dir, `${name}.${stampOf(this.#namedMs)}${ext}`);
      try {
        await (await this.#files.open(target, 'wx', 0o600)).close();
        return target;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
    }
  }

  async #prune(): Promise<void> {
    const { maxFiles } = this.#options;
    if (maxFiles <= 0) return;
    const kept = Math.max(maxFiles, FEWEST_FILES) - 1;
    const folder = dirname(this.#path);
    const older = (await this.#files.readdir(folder)).filter((name) => this.#isOlder(name)).sort();
    for (const name of older.slice(0, Math.max(0, older.length - kept))) {
      await this.#files.unlink(join(folder, name)).catch(unlessAbsent);
    }
  }

  #isOlder(candidate: string): boolean {
    const { name, ext } = parse(basename(this.#path));
    const stamp = candidate.slice(name.length + 1, candidate.length - ext.length);
    return STAMP.test(stamp) && candidate === `${name}.${stamp}${ext}`;
  }
}

const STAMP = /^\d{8}T\d{9}Z$/;

/** Date and time in UTC that sort as they read, without the characters that Windows refuses. */
function stampOf(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/[-:.]/g, '');
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

/** Another process has moved or deleted the file already: as good as done. */
function unlessAbsent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
  return undefined;
}
