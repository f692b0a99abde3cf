// The lock file fits package.json for every platform, names no registry host (each machine uses its
// own) and holds a hash for every package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmCli, root, runNode } from './run.mjs';

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const complaints = Object.entries(packages).flatMap(([path, { resolved, integrity, inBundle, link }]) => [
  ...(resolved === undefined
    ? []
    : [`${path}: names an address (resolved); is the .npmrc of this folder in effect?`]),
  ...(path === '' || inBundle || link || integrity ? [] : [`${path}: has no hash (integrity)`]),
]);

// What a fresh clone does, without doing it. It notices binaries of other platforms that are left out.
const { code, output } = await runNode([
  npmCli(),
  'ci',
  '--dry-run',
  '--offline',
  '--ignore-scripts',
  '--loglevel=warn',
]);
if (code !== 0) {
  complaints.push(...output.split('\n').filter((line) => /^npm error (code|Missing|Invalid|`)/.test(line)));
}
if (complaints.length > 0) {
  console.error(complaints.join('\n'));
  process.exitCode = 1;
}
