// Tests of other pools over pg, with what they need: npm run test:pools -- --grep Knex
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installLane } from '../../scripts/lane.mjs';
import { root } from '../../scripts/run.mjs';

await installLane('test/pools/peers', 'other pools over pg (about 75 MB)');
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/mocha/bin/mocha.js'),
    '--no-config',
    '--forbid-only',
    '--timeout=20000',
    '--require=.build/test/support/leaks.js',
    '--reporter=.build/test/support/reporter.js',
    'test/pools/*.test.mjs',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit', timeout: 300_000 },
);
process.exitCode = status ?? 1;
