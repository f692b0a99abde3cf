// Lanes: folders with a package.json and a lock file of their own, so that nobody installs them who does not need them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { npmCli, root, runNode, say } from './run.mjs';

/** Installs what the lock file of `lane` (a folder in the checkout) names, where it is missing; `what` says it in words. */
export async function installLane(lane, what) {
  const folder = join(root, lane);
  if (existsSync(join(folder, 'node_modules', '.package-lock.json'))) return;
  say(`installing ${what} …`);
  const { code, output } = await runNode([npmCli(), 'ci', '--prefix', folder, '--ignore-scripts']);
  if (code !== 0) throw new Error(`npm ci in ${lane} failed:\n${output}`);
}
