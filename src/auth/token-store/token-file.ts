import { constants, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../clock.js';
import { ConnectorError } from '../../errors.js';
import { attempt, codeOf, type Files } from './files.js';
import { temporaryName } from './leftovers.js';
import { newOwner } from './owner.js';
import { sealText, unsealText, type Seal, type Unsealed } from './sealed-text.js';
import { fromText, toText } from './stored-text.js';
import type { StoredToken } from './token-store.js';

/** What stands at the path; `problem` completes "the file …". */
export type TokenFileState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'token'; readonly stored: StoredToken }
  | Exclude<Unsealed, { readonly kind: 'text' }>;

/** The most bytes that are read; a token and its note are far below. */
const MAX_BYTES = 1_000_000;

const OWNER_ONLY = 0o600;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;

// No link is followed, and no FIFO waited for. (Windows has no such flags, and undefined counts as 0 here.)
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface TokenFileOptions {
  readonly path: string;
  readonly files: Files;
  readonly clock: Clock;
  /** Told when the mode of the file was wider than its owner and has been narrowed. */
  readonly onNarrowed: () => void;
}

/**
 * The file at `path`, read and replaced as a whole. System calls that fail reject with their own
 * error; what is unsafe is TOKEN_FILE_REFUSED.
 */
export class TokenFile {
  readonly #options: TokenFileOptions;

  constructor(options: TokenFileOptions) {
    this.#options = options;
  }

  /** @throws ConnectorError TOKEN_FILE_REFUSED when any account of the machine may replace files in its folder */
  async requireSafeFolder(): Promise<void> {
    const { path, files } = this.#options;
    const { mode } = await files.stat(dirname(path));
    const isOpenToAll = (mode & WRITABLE_BY_ALL) !== 0 && (mode & STICKY) === 0;
    if (process.platform !== 'win32' && isOpenToAll)
      throw this.#refused('every account of the machine may write to its folder');
  }

  /** @throws ConnectorError TOKEN_FILE_REFUSED for a link, no regular file, or one of another account */
  async read(seal: Seal): Promise<TokenFileState> {
    const bytes = await this.#readBytes();
    if (bytes === undefined) return { kind: 'absent' };
    if (bytes.length > MAX_BYTES) return { kind: 'damaged', problem: 'is larger than 1 MB' };
    const unsealed = unsealText(bytes, seal);
    if (unsealed.kind !== 'text') return unsealed;
    const stored = fromText(unsealed.text, this.#options.clock);
    return stored ? { kind: 'token', stored } : { kind: 'damaged', problem: 'holds no token' };
  }

  /**
   * Puts `stored` in the place of what is there. Whenever the machine stops, the old file or the
   * new one is there, whole: the bytes are on the disk before the name points to them.
   */
  async write(stored: StoredToken, seal: Seal): Promise<void> {
    const { path, files } = this.#options;
    const temporary = temporaryName(path, newOwner());
    try {
      await this.#writeNew(temporary, sealText(toText(stored), seal));
      await files.rename(temporary, path);
    } catch (error) {
      await attempt(files.unlink(temporary));
      throw error;
    }
    await this.#syncFolder();
  }

  /** Moves the file to `<path>.unreadable`, unless an earlier one stands there; gives that path. */
  async setAside(): Promise<string> {
    const { path, files } = this.#options;
    const aside = `${path}.unreadable`;
    try {
      await files.lstat(aside);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await files.rename(path, aside);
    }
    return aside;
  }

  async #readBytes(): Promise<Buffer | undefined> {
    const file = await this.#open();
    if (!file) return undefined;
    try {
      const stats = await file.stat();
      this.#requireOwn(stats);
      if (isWiderThanOwner(stats)) {
        await file.chmod(OWNER_ONLY);
        this.#options.onNarrowed();
      }
      return await readBounded(file, stats.size);
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      return await this.#options.files.open(this.#options.path, READ_FLAGS);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (codeOf(error) === 'ELOOP') throw this.#refused('it is a symbolic link');
      throw error;
    }
  }

  #requireOwn(stats: Stats): void {
    if (!stats.isFile()) throw this.#refused('it is not a regular file');
    const uid = process.getuid?.();
    if (uid !== undefined && stats.uid !== uid) throw this.#refused('it belongs to another account');
  }

  async #writeNew(path: string, bytes: Buffer): Promise<void> {
    const file = await this.#options.files.open(path, 'wx', OWNER_ONLY);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #syncFolder(): Promise<void> {
    if (process.platform === 'win32') return;
    const folder = await this.#options.files.open(dirname(this.#options.path), constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  #refused(problem: string): ConnectorError {
    return refusedFile(this.#options.path, problem);
  }
}

/** TOKEN_FILE_REFUSED for `path`; `problem` is a sentence without its full stop. */
export function refusedFile(path: string, problem: string): ConnectorError {
  return new ConnectorError(
    'TOKEN_FILE_REFUSED',
    { path, problem },
    { properties: ['OAuthSettingsLocation'] },
  );
}

// Where accounts have no ids, modes mean nothing either.
function isWiderThanOwner({ mode }: Stats): boolean {
  return process.getuid !== undefined && (mode & 0o077) !== 0;
}

/** The `size` bytes of `file`, but at most one more than {@link MAX_BYTES}. */
async function readBounded(file: FileHandle, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(size, MAX_BYTES + 1));
  for (let length = 0; length < buffer.length;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    // A file of ours is never shortened, only replaced.
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  return buffer;
}
