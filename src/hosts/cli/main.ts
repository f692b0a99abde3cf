#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { runCli } from './program.js';

// A reader that has seen enough (head, less) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

// The first signal ends the running statement at the server and says so; a second one ends the program at once.
const leaving = new AbortController();
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    leaving.abort();
    interrupted = exitCode;
  });
}
let interrupted: number | undefined;

// Stands unless the program comes to an end of its own.
process.exitCode = 1;

runCli(process.argv.slice(2), {
  out: (chunk) => process.stdout.write(chunk),
  err: (chunk) => process.stderr.write(chunk),
  readInput: () => text(process.stdin),
  readFile: (path) => readFile(path, 'utf8'),
  version: version(),
  signal: leaving.signal,
  environment: process.env,
}).then(
  (exitCode) => {
    process.exitCode = interrupted ?? exitCode;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);

function version(): string {
  return (createRequire(import.meta.url)('../../../package.json') as { version: string }).version;
}
