import { readStoreFile } from '../../auth/key-store/store-file.js';

/** Gives the bytes of a file; its errors are told by their `code`. */
export type ReadFile = (path: string) => Promise<Buffer>;

/**
 * Something that is made of files, and made anew when one of them has changed. While it cannot be
 * (a file is just being replaced), the last good one is given.
 */
export class FileMade<T> {
  readonly #make: (readFile: ReadFile) => Promise<T>;
  readonly #readFile: ReadFile;
  #made: { readonly value: T; readonly files: ReadonlyMap<string, Buffer> } | undefined;
  #renewal: Promise<T> | undefined;

  /** `make` reads every file by the function that it is given. */
  constructor(make: (readFile: ReadFile) => Promise<T>, readFile: ReadFile = readStoreFile) {
    this.#make = make;
    this.#readFile = readFile;
  }

  /** The value of the moment; all who ask at once wait for the same work. */
  get(): Promise<T> {
    this.#renewal ??= this.#renewed().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renewed(): Promise<T> {
    const last = this.#made;
    if (last && (await this.#isUnchanged(last.files))) return last.value;
    const files = new Map<string, Buffer>();
    try {
      const value = await this.#make(async (path) => {
        const bytes = await this.#readFile(path);
        files.set(path, bytes);
        return bytes;
      });
      this.#made = { value, files };
      return value;
    } catch (error) {
      if (last) return last.value;
      throw error;
    }
  }

  async #isUnchanged(files: ReadonlyMap<string, Buffer>): Promise<boolean> {
    for (const [path, bytes] of files) {
      const now = await this.#readFile(path).catch(() => undefined);
      if (!now?.equals(bytes)) return false;
    }
    return true;
  }
}
