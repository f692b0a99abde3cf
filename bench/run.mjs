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

for (const name of asked.length > 0 ? asked : MEASUREMENTS) {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`${name}.mjs`, import.meta.url))], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
