import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('child.js', import.meta.url));

/** What `child.ts` tells. */
export interface Told {
  readonly ready?: true;
  readonly token?: string;
  readonly warning?: string;
  readonly reads?: number;
  readonly changes?: number;
  readonly corrupt?: number;
}

/** A process that shares a token file. */
export class Child {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly warnings: string[] = [];

  private constructor(role: string, path: string, address: string) {
    this.#child = fork(PROGRAM, [role, path, address]);
    this.#ended = once(this.#child, 'exit');
    this.#child.on('message', ({ warning }: Told) => {
      if (warning !== undefined) this.warnings.push(warning);
    });
  }

  /** Resolves when it is at work. */
  static async start(role: 'obtain' | 'write' | 'read', path: string, address = ''): Promise<Child> {
    const child = new Child(role, path, address);
    await child.#hear('ready');
    return child;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Tells it to go on, or to report; gives its answer, which holds `name`. */
  async ask(name: keyof Told): Promise<Told> {
    this.#child.send('go');
    return this.#hear(name);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #hear(name: keyof Told): Promise<Told> {
    return new Promise((resolve, reject) => {
      const hear = (told: Told): void => {
        if (!(name in told)) return;
        this.#child.off('message', hear);
        resolve(told);
      };
      this.#child.on('message', hear);
      void this.#ended.then(() => reject(new Error('the process ended before it answered')));
    });
  }

  async ended(): Promise<void> {
    await this.#ended;
  }
}
