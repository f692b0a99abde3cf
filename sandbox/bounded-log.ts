/** A log that forgets its oldest entries once it holds `limit` of them. */
export class BoundedLog<Entry> {
  readonly #limit: number;
  #entries: Entry[] = [];

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#limit) this.#entries.shift();
  }

  /** The entries, oldest first, as they are now. */
  get entries(): readonly Entry[] {
    return [...this.#entries];
  }

  clear(): void {
    this.#entries = [];
  }
}
