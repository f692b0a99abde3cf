/** `npm run kill:token-file [-- <kills>]`: kills writers of a token file 2,000 times and says what it did to the file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killLoop } from './kill-loop.js';

const kills = Number(process.argv[2] ?? 2_000);
const folder = mkdtempSync(join(tmpdir(), 'kill-token-file-'));
try {
  const startedAt = performance.now();
  const toll = await killLoop(join(folder, 'token'), kills);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(
    Object.entries(toll)
      .map(([name, count]) => `${name} ${String(count)}`)
      .join(', '),
    `(${String(seconds)} s)`,
  );
  if (toll.corrupt + toll.leftovers + toll.warnings > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
