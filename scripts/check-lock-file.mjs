// Each lock file fits its package.json for every platform, names no registry host (each machine uses
// its own) and holds a hash for every package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmCli, root, runNode } from './run.mjs';

const FOLDERS = ['.', 'test/pools/peers', 'bench/peers'];

const complaints = await Promise.all(FOLDERS.map(complaintsOf));
if (complaints.flat().length > 0) {
  console.error(complaints.flat().join('\n'));
  process.exitCode = 1;
}

async function complaintsOf(folder) {
  const found = [...incomplete(folder), ...(await refusals(folder))];
  return found.map((complaint) => `${join(folder, 'package-lock.json')}: ${complaint}`);
}

function incomplete(folder) {
  const { packages } = JSON.parse(readFileSync(join(root, folder, 'package-lock.json'), 'utf8'));
  return Object.entries(packages).flatMap(([path, { resolved, integrity, inBundle, link }]) => [
    ...(resolved === undefined
      ? []
      : [`${path}: names an address (resolved); is the .npmrc of this folder in effect?`]),
    ...(path === '' || inBundle || link || integrity ? [] : [`${path}: has no hash (integrity)`]),
  ]);
}

/** What a fresh clone does, without doing it. It notices binaries of other platforms that are left out. */
async function refusals(folder) {
  const options = ['--dry-run', '--offline', '--ignore-scripts', '--loglevel=warn'];
  const { code, output } = await runNode([npmCli(), 'ci', '--prefix', join(root, folder), ...options]);
  if (code === 0) return [];
  return output.split('\n').filter((line) => /^npm error (code|Missing|Invalid|`)/.test(line));
}
