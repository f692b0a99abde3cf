// What the scripts share: the root of the checkout, child processes, foreseen failures.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Whether the module at `url` is the script that was started (it may have been named through a link). */
export function isMain(url) {
  return realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** A failure whose message says all that a reader needs. */
export class Failure extends Error {
  name = 'Failure';
}

/** Tells on stderr what goes on, under the name of the script that was started. */
export function say(line) {
  process.stderr.write(`${basename(process.argv[1], '.mjs')}: ${line}\n`);
}

const children = new Set();
let stopping;

/** Process ids of the children now running. */
export function childPids() {
  return [...children].map((child) => child.pid);
}

// A signal goes on to the children, and this process ends after them: until then its lock is held.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopping = 128 + constants.signals[signal];
    for (const child of children) child.kill(signal);
    if (children.size === 0) process.exit(stopping);
  });
}

/**
 * Runs a Node.js script in the root of the checkout and gives back its exit code and, unless
 * `show` is set, its output. Shown output goes to stderr.
 */
export function runNode(args, { env = process.env, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = show ? ['ignore', 2, 2] : ['ignore', 'pipe', 'pipe'];
    const child = spawn(process.execPath, args, { cwd: root, env, stdio });
    children.add(child);
    let output = '';
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      children.delete(child);
      if (stopping !== undefined && children.size === 0) process.exit(stopping);
      resolve({ code: code ?? 128 + constants.signals[signal], output, stdout });
    });
  });
}

/**
 * The script of the npm that started us, or else of the one beside Node.js. (The `npm` of PATH may
 * be one that a dependency brought into node_modules/.bin.)
 */
export function npmCli() {
  const started = process.env.npm_execpath;
  if (started !== undefined && /npm-cli\.c?js$/.test(started)) return started;
  const bin = dirname(process.execPath);
  const candidates = [join(bin, '..', 'lib'), bin, '/usr/share/nodejs', '/usr/lib'].map((folder) =>
    join(folder, folder === '/usr/share/nodejs' ? 'npm' : 'node_modules/npm', 'bin/npm-cli.js'),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined)
    throw new Failure('npm was not found beside Node.js. Please run `npm ci` yourself.');
  return found;
}
