import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

const MASK = '***';

// Fingerprints are compared inside one process only: a key of its own makes them useless elsewhere.
const FINGERPRINT_KEY = randomBytes(32);

/**
 * A value that prints as `***` wherever it is logged, inspected, copied or turned into JSON.
 * It survives a spread of the object that holds it, which a non-enumerable property does not.
 */
export class Secret {
  readonly #value: string;
  /** Path of the file it was read from, so that a changed file can be read again. */
  readonly file: string | undefined;

  constructor(value: string, file?: string) {
    this.#value = value;
    this.file = file;
  }

  /** The value itself. Call it at the very place where it leaves for its destination. */
  reveal(): string {
    return this.#value;
  }

  /** 32 hexadecimal digits that are equal for equal values within this process, and say nothing else. */
  fingerprint(): string {
    return createHmac('sha256', FINGERPRINT_KEY).update(this.#value).digest('hex').slice(0, 32);
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
