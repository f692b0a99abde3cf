// 200 callers come to a cold pool at once and read one row each. How long until all are answered?
import { fileURLToPath } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { withContestants } from './contestant.mjs';
import { createTable } from './database.mjs';
import { interleave, reportAtMost } from './rounds.mjs';

const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('cold-client.mjs', import.meta.url));

const sandbox = await startSandbox();
try {
  await createTable(sandbox);
  const properties = JSON.stringify(parseConnectionString(sandbox.connections.secret));
  const contestants = {
    connector: ['connector', properties],
    wide: ['pg', properties, '200'],
    usual: ['pg', properties, '10'],
  };
  await withContestants(CLIENT, contestants, async (rounds) => {
    const costs = await interleave(rounds, ROUNDS);
    const share = (name) => costs.connector.map((ours, round) => ours / costs[name][round]);
    reportAtMost('200 callers at a cold pool: share of a pool that opens 200', share('wide'), 0.06);
    reportAtMost("200 callers at a cold pool: share of pg's pool of 10", share('usual'), 0.6);
  });
} finally {
  await sandbox.close();
}
