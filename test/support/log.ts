import type { Diagnostics, Logger } from '#src/diagnostics.js';

/** A logger that remembers every line of every level. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly string[];
}

export function recordingLogger(): RecordingLogger {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (line: string): void => {
      lines.push(`${level} ${line}`);
    };
  return { lines, error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Diagnostics that go nowhere. */
export const silent: Diagnostics = {
  report: () => undefined,
  fileProblem: () => undefined,
  close: () => Promise.resolve(),
};
