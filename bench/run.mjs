// Runs every measurement, or those named: npm run bench -- token
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MEASUREMENTS = ['token', 'storm', 'load', 'open', 'cold', 'read', 'scan'];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !MEASUREMENTS.includes(name));
if (unknown.length > 0) {
  console.error(`There is no measurement ${unknown.join(', ')}. There are: ${MEASUREMENTS.join(', ')}.`);
  process.exit(2);
}

/** Longest that one measurement may take; a usual one needs a minute at most. */
const LIMIT_MS = 300_000;

function measure(name) {
  const file = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  return spawnSync(process.execPath, [file], { stdio: 'inherit', timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    .status;
}

for (const name of asked.length > 0 ? asked : MEASUREMENTS) {
  if (measure(name) === 0) continue;
  // On a machine that others use too, one run may be unlucky; two in a row are a finding.
  console.log(`${name} is measured once more …`);
  if (measure(name) !== 0) process.exitCode = 1;
}
