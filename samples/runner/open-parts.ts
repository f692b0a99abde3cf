/** What has been opened and must be closed, also when Ctrl-C comes while the next part is being opened. */
export class OpenParts {
  readonly #closers: (() => Promise<void>)[] = [];
  #closed = false;

  /** Remembers how to close a part; closes it at once, and throws, when all is closed already. */
  async add(close: () => Promise<void>): Promise<void> {
    if (!this.#closed) {
      this.#closers.push(close);
      return;
    }
    await close();
    throw new Error('interrupted');
  }

  /** Closes all parts, last opened first, whatever fails meanwhile; rejects with the first failure. */
  async close(): Promise<void> {
    this.#closed = true;
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
