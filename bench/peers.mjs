// The named peers have a folder and a lock file of their own, so that nobody installs them who does not measure.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { npmCli, root, runNode, say } from '../scripts/run.mjs';

const folder = join(root, 'bench', 'peers');

/** Installs the peers where they are missing, by their lock file. */
export async function installPeers() {
  if (existsSync(join(folder, 'node_modules', '.package-lock.json'))) return;
  say('installing the peers (about 50 MB) …');
  const { code, output } = await runNode([npmCli(), 'ci', '--prefix', folder, '--ignore-scripts']);
  if (code !== 0) throw new Error(`npm ci in bench/peers failed:\n${output}`);
}

/** Loads a peer. */
export const requirePeer = createRequire(join(folder, 'package.json'));
