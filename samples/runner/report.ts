/** The outcome of one sample. */
export interface SampleResult {
  readonly name: string;
  /** Kind of credential that the authority saw. */
  readonly credential: string;
  readonly rows: number;
  readonly ms: number;
  readonly tokenRequests: number;
  /** What differs from `expected.json`, or what went wrong; undefined when it passed. */
  readonly difference?: string;
  /** A line about what happened, where the numbers do not say it. */
  readonly story?: string;
}

const HEADINGS = ['sample', 'credential', 'rows', 'ms', 'token requests', 'outcome'];
const NUMBERS = new Set([2, 3, 4]);

/** `results` as a table, one line each. */
export function renderTable(results: readonly SampleResult[]): string {
  const lines = [HEADINGS, ...results.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string =>
    line
      .map((cell, column) =>
        NUMBERS.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('   ')
      .trimEnd();
  return lines.map(render).join('\n');
}

function cells({ name, credential, rows, ms, tokenRequests, difference }: SampleResult): string[] {
  const outcome = difference === undefined ? 'as expected' : 'DIFFERENT';
  return [name, credential, String(rows), String(ms), String(tokenRequests), outcome];
}

/** `3 of 3 samples passed`. */
export function renderCount(results: readonly SampleResult[]): string {
  const passed = results.filter(({ difference }) => difference === undefined).length;
  return `${String(passed)} of ${String(results.length)} samples passed`;
}
