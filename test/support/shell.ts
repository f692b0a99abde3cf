import { runCli } from '#src/hosts/cli/program.js';

/** What a run of `pg-entra` left behind. */
export interface ShellRun {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `pg-entra` in this process with its own input, files and environment. */
export async function shell(
  args: readonly string[],
  io: { environment?: Record<string, string>; files?: Record<string, string>; input?: string } = {},
): Promise<ShellRun> {
  let out = '';
  let err = '';
  const exitCode = await runCli(args, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    readInput: () => Promise.resolve(io.input ?? ''),
    readFile: (path) => {
      const text = io.files?.[path];
      return text === undefined
        ? Promise.reject(Object.assign(new Error(), { code: 'ENOENT' }))
        : Promise.resolve(text);
    },
    version: '0.0.0',
    signal: new AbortController().signal,
    environment: io.environment ?? {},
  });
  return { exitCode, out, err };
}
