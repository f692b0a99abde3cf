/** What the shell program reads and writes; injected by tests. */
export interface Io {
  /** Version of the package. */
  readonly version: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly readInput: () => Promise<string>;
  readonly readFile: (path: string) => Promise<string>;
  /** Aborts when the person at the keyboard (or a supervisor) ends the program. */
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}
