import { delay } from './clock.js';
import { RotatingFile, type RotatingFileOptions } from './rotating-file.js';

export interface LogFileOptions extends Omit<RotatingFileOptions, 'onTightened' | 'onUntidy'> {
  readonly notices: LogFileNotices;
}

/** What befalls the file, for its owner to report; two of them give the line that the file is to hold about it. */
export interface LogFileNotices {
  /** Lines are being lost, for this reason; once until a line is written again. */
  readonly failed: (problem: unknown) => void;
  /** The file takes lines again, and up to `count` did not get into it. */
  readonly lost: (count: number) => string;
  /** Others could read the file; now they cannot. */
  readonly tightened: () => string;
}

/** What may wait for a slow disk; more is dropped and counted. */
const LONGEST_WAIT_BYTES = 1_048_576;
/** What one write takes, in UTF-16 units of at most three bytes: less than the smallest file. */
const LARGEST_WRITE = 32_768;
/** Pause between writes, in which lines gather: opening the file costs a hundred times what a line does. */
const PAUSE_MS = 20;
/** How long {@link LogFile.close} waits for a disk that does not answer. */
const CLOSE_WAIT_MS = 2_000;

/**
 * A log in a {@link RotatingFile}. Writing happens behind the caller's back: lines stay in order,
 * wait in at most 1 MiB of memory, and are dropped and counted where the disk is full, slow or
 * forbidden.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  readonly #file: RotatingFile;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #draining: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #failure: { readonly problem: unknown } | undefined;
  #lost = 0;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#file = new RotatingFile({
      ...options,
      onTightened: () => {
        this.#queue(options.notices.tightened());
      },
      onUntidy: (problem) => {
        this.#complain(problem);
      },
    });
  }

  /** Why lines are being lost at this moment; undefined while they are not. */
  get failure(): { readonly problem: unknown } | undefined {
    return this.#failure;
  }

  /** Queues `line`, which has no line break; never throws, never waits. */
  write(line: string): void {
    if (this.#closing.signal.aborted) return;
    if (this.#waitingBytes + Buffer.byteLength(line) >= LONGEST_WAIT_BYTES) {
      this.#lost += 1;
      return;
    }
    this.#queue(line);
    this.#draining ??= this.#drain();
  }

  /** Takes no more lines and waits, two seconds at most, until those that were taken are written. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (!this.#draining) return;
    const patience = new AbortController();
    await Promise.race([this.#draining, delay(this.#options.clock, CLOSE_WAIT_MS, patience.signal)]);
    patience.abort();
  }

  #queue(line: string): void {
    this.#waiting.push(`${line}\n`);
    this.#waitingBytes += Buffer.byteLength(line) + 1;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { text, lines } = this.#take();
      try {
        await this.#file.append(Buffer.from(text));
        this.#failure = undefined;
        if (this.#waiting.length === 0) this.#tellLost();
      } catch (error) {
        this.#lost += lines;
        this.#complain(error);
      }
      if (this.#waitingBytes < LARGEST_WRITE)
        await delay(this.#options.clock, PAUSE_MS, this.#closing.signal);
    }
    this.#draining = undefined;
  }

  /** The next lines, as many as one write takes. */
  #take(): { text: string; lines: number } {
    let [text, lines] = ['', 0];
    for (const line of this.#waiting) {
      if (lines > 0 && text.length + line.length > LARGEST_WRITE) break;
      text += line;
      lines += 1;
    }
    this.#waiting.splice(0, lines);
    this.#waitingBytes -= Buffer.byteLength(text);
    return { text, lines };
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const count = this.#lost;
    this.#lost = 0;
    this.#queue(this.#options.notices.lost(count));
  }

  #complain(problem: unknown): void {
    if (!this.#failure) this.#options.notices.failed(problem);
    this.#failure = { problem };
  }
}
