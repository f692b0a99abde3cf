import { ConnectorError } from '../../errors.js';
import type { Borrower } from './poolable.js';

export interface OpeningsOptions<T> {
  readonly open: (signal: AbortSignal, borrower: Borrower | undefined) => Promise<T>;
  /** Its abort ends everything that is opening. */
  readonly closing: AbortSignal;
  /** Told what was opened, and whether it had been given up. */
  readonly opened: (resource: T, isAbandoned: boolean) => void;
  /** Told why one that was not given up could not be opened. */
  readonly failed: (error: unknown) => void;
  /** Runs after either. */
  readonly ended: () => void;
}

/** What is opening at this moment. */
export class Openings<T> {
  readonly #options: OpeningsOptions<T>;
  /** Each with what ends it, in the order of their start. */
  readonly #running = new Set<AbortController>();

  constructor(options: OpeningsOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Opens one more, in the name of `borrower`. */
  async start(borrower: Borrower | undefined): Promise<void> {
    const { open, closing, opened, failed, ended } = this.#options;
    const opening = new AbortController();
    const close = (): void => {
      opening.abort(closing.reason);
    };
    closing.addEventListener('abort', close, { once: true });
    this.#running.add(opening);
    try {
      const resource = await open(opening.signal, borrower);
      const isAbandoned = !this.#running.delete(opening);
      opened(resource, isAbandoned);
    } catch (error) {
      const isAbandoned = !this.#running.delete(opening);
      if (!isAbandoned) failed(error);
    } finally {
      closing.removeEventListener('abort', close);
      ended();
    }
  }

  /** Gives up all but the `count` that have run for longest. */
  keep(count: number): void {
    for (const opening of [...this.#running].slice(Math.max(0, count))) {
      this.#running.delete(opening);
      opening.abort(new ConnectorError('CANCELLED', {}));
    }
  }
}
