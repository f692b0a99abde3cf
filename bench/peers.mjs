// The named peers have a folder and a lock file of their own, so that nobody installs them who does not measure.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installLane } from '../scripts/lane.mjs';
import { root } from '../scripts/run.mjs';

/** Installs the peers where they are missing, by their lock file. */
export const installPeers = () => installLane('bench/peers', 'the peers (about 50 MB)');

/** Loads a peer. */
export const requirePeer = createRequire(join(root, 'bench', 'peers', 'package.json'));
