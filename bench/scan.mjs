// What does the guard cost that stands between the socket and the driver? pg-cursor reads the same wide rows
// over the same verified TLS, with it and without.
import { fileURLToPath } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { withContestants } from './contestant.mjs';
import { createTable } from './database.mjs';
import { interleave, reportAtLeast } from './rounds.mjs';

const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('scan-client.mjs', import.meta.url));

const sandbox = await startSandbox();
try {
  await createTable(sandbox);
  const properties = JSON.stringify(parseConnectionString(sandbox.connections.secret));
  const contestants = { bare: ['bare', properties], guarded: ['guarded', properties] };
  await withContestants(CLIENT, contestants, async (rounds) => {
    const { bare, guarded } = await interleave(rounds, ROUNDS);
    const ratios = (field) => bare.map((without, round) => without[field] / guarded[round][field]);
    reportAtLeast('scan behind the guard: rate, share of pg without it', ratios('wallMs'), 0.95);
    reportAtLeast('the same by CPU of the client, which the server does not dilute', ratios('cpuMs'), 0.95);
  });
} finally {
  await sandbox.close();
}
