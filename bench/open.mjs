// What does it take to open a session with a token? TLS, the check of the token and the start of a backend
// are in it for both sides.
import { fileURLToPath } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { withContestants } from './contestant.mjs';
import { interleave, median, reportAtMost } from './rounds.mjs';

const ROUNDS = 5;
const OPENS = 20;
const WARM_UP_ROUNDS = 1;
// More than half of the time is the server's, which checks the token and starts a backend for both sides; what is
// left to save is less than the goals ask for.
const KNOWN = { isKnown: true };
const CLIENT = fileURLToPath(new URL('open-client.mjs', import.meta.url));

const sandbox = await startSandbox();
try {
  const properties = parseConnectionString(sandbox.connections.secret);
  const contestants = {
    pg: ['pg', JSON.stringify(properties)],
    connector: ['connector', JSON.stringify(properties)],
    direct: ['connector', JSON.stringify({ ...properties, SSLNegotiation: 'direct' })],
  };
  await withContestants(CLIENT, contestants, async ({ pg, connector, direct }) => {
    const afterForgetting = (open) => async () => {
      await forgetTickets();
      return open();
    };
    const costs = await interleave(
      {
        pg: afterForgetting(pg),
        connector: afterForgetting(connector),
        direct: afterForgetting(direct),
        // The tickets of the direct login before it are good for this one.
        resumed: direct,
      },
      (WARM_UP_ROUNDS + ROUNDS) * OPENS,
    );
    const middles = Object.fromEntries(Object.entries(costs).map(([name, all]) => [name, byRound(all)]));
    const share = (name) => middles[name].map((ours, round) => ours / middles.pg[round]);
    reportAtMost('opening a session with a token: share of pg', share('connector'), 0.85, KNOWN);
    reportAtMost('the same with direct TLS', share('direct'), 0.85, KNOWN);
    reportAtMost(
      'the same with direct TLS, where the server gives TLS tickets',
      share('resumed'),
      0.7,
      KNOWN,
    );
  });
} finally {
  await sandbox.close();
}

/** The middle of the opens of each round: a single one varies more than what is compared. */
function byRound(costs) {
  const round = (_, each) => median(costs.slice((WARM_UP_ROUNDS + each) * OPENS).slice(0, OPENS));
  return Array.from({ length: ROUNDS }, round);
}

// PostgreSQL itself gives no tickets, the gate does. With new keys it takes none that it gave before.
function forgetTickets() {
  return sandbox.control.setCertificate('gate', 'valid');
}
