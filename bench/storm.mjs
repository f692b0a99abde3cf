// A cold storm: 1,000 callers want a token and none is there; the authority takes 100 ms to answer.
// What does that cost the process, against @azure/identity?
import { fileURLToPath } from 'node:url';
import { slow } from '#sandbox/faults.js';
import { startSandbox } from '#sandbox/index.js';
import { parseConnectionString } from '#src/settings/connection-string.js';
import { installPeers } from './peers.mjs';
import { interleave, reportAtMost } from './rounds.mjs';
import { runClient } from './run-client.mjs';

const ROUNDS = 5;
const CLIENT = fileURLToPath(new URL('storm-client.mjs', import.meta.url));

await installPeers();
const sandbox = await startSandbox({ skipPostgres: true });
try {
  const properties = JSON.stringify(parseConnectionString(sandbox.connections.secret));
  const counts = { connector: [], identity: [] };
  const outcomes = await interleave(
    {
      connector: () => storm('connector', properties, counts),
      identity: () => storm('identity', properties, counts),
    },
    ROUNDS,
  );
  const ratios = (field) =>
    outcomes.connector.map((ours, round) => ours[field] / outcomes.identity[round][field]);
  reportAtMost('cold storm of 1,000 callers: wall time, share of @azure/identity', ratios('wallMs'), 0.1);
  reportAtMost(
    'cold storm of 1,000 callers: CPU of the client, share of @azure/identity',
    ratios('cpuMs'),
    0.02,
  );
  console.log(
    `requests of one storm (discovery + token): ours ${counts.connector.at(-1)}, @azure/identity ${counts.identity.at(-1)}`,
  );
  // A thousand connections at once may fail for want of room; the peer is then cheaper than it should be.
  const failed = (name) => outcomes[name].map((outcome) => outcome.failed).join(' ');
  console.log(
    `callers without a token, by round: ours ${failed('connector')}, @azure/identity ${failed('identity')}`,
  );
  const isRight =
    counts.connector.every((count) => count === '1 + 1') &&
    outcomes.connector.every((each) => each.failed === 0);
  if (!isRight) process.exitCode = 1;
} finally {
  await sandbox.close();
}

async function storm(contestant, properties, counts) {
  sandbox.control.clearFaults();
  sandbox.control.clearRequests();
  sandbox.control.addFaults(slow(100, { kind: 'any', times: 'always' }));
  const outcome = await runClient(CLIENT, [contestant, properties], sandbox.authority.caFile);
  const requests = sandbox.control.requests();
  // One of each was made before the storm.
  const of = (kind) => requests.filter((request) => request.kind === kind).length - 1;
  counts[contestant].push(`${of('discovery')} + ${of('token')}`);
  return outcome;
}
