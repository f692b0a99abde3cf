// Point reads on one session: a row of ten typed columns by its key, for one caller and for 50 at once.
import { fileURLToPath } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { withContestants } from './contestant.mjs';
import { createTable } from './database.mjs';
import { interleave, reportAtLeast } from './rounds.mjs';

const ROUNDS = 9;
const ROUND_MS = 400;
// Fewer leave the driver up to three times slower than it is once it is compiled.
const WARM_UP_READS = 8_000;
const CLIENT = fileURLToPath(new URL('read-client.mjs', import.meta.url));

const sandbox = await startSandbox();
try {
  await createTable(sandbox);
  const properties = JSON.stringify(parseConnectionString(sandbox.connections.secret));
  const contestants = { pg: ['pg', properties], connector: ['connector', properties] };
  await withContestants(CLIENT, contestants, async (rates) => {
    for (const rate of Object.values(rates)) {
      await rate({ callers: 1, reads: WARM_UP_READS });
      await rate({ callers: 50, reads: WARM_UP_READS });
    }
    for (const [callers, title, goal] of [
      [1, 'point read, 1 caller: times the rate of pg', 1.2],
      [50, 'point read, 50 callers on one session: times the rate of pg', 7],
    ]) {
      const round = (rate) => () => rate({ callers, ms: ROUND_MS });
      const { pg, connector } = await interleave(
        { pg: round(rates.pg), connector: round(rates.connector) },
        ROUNDS,
      );
      const ratios = connector.map((ours, each) => ours / pg[each]);
      reportAtLeast(title, ratios, goal);
    }
  });
} finally {
  await sandbox.close();
}
