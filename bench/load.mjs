// What does it take until something can be done? A fresh process each time: listing our nodes in a
// palette, and the whole way from nothing to the first row, against pg with @azure/identity.
import { fileURLToPath } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { installPeers } from './peers.mjs';
import { interleave, reportAtMost } from './rounds.mjs';
import { runClient } from './run-client.mjs';

const ROUNDS = 9;
const PALETTE_MS = 10;
const CLIENT = fileURLToPath(new URL('load-client.mjs', import.meta.url));

await installPeers();
const sandbox = await startSandbox();
try {
  const properties = JSON.stringify(parseConnectionString(sandbox.connections.secret));
  const run = (contestant) => () => runClient(CLIENT, [contestant, properties], sandbox.authority.caFile);
  const names = ['bare', 'palette', 'connector', 'peer'];
  const costs = await interleave(Object.fromEntries(names.map((name) => [name, run(name)])), ROUNDS);
  const share = costs.connector.map((ours, round) => ours / costs.peer[round]);
  // Not reached yet, and known: undici and a hundred small modules of our own cost more than the peer as a whole.
  reportAtMost('from nothing to the first row, share of pg with @azure/identity', share, 0.9, {
    isKnown: true,
  });
  const above = costs.palette.map((ours, round) => ours - costs.bare[round]);
  reportAtMost('listing the nodes of the palette, ms above bare Node.js', above, PALETTE_MS);
} finally {
  await sandbox.close();
}
