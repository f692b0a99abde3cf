// One contestant of scan.mjs: each round reads 300,000 rows in batches of 1,000 and gives what that cost.
//
//   node scan-client.mjs bare|guarded <connection properties as JSON>
import { once } from 'node:events';
import { connect } from 'node:tls';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { Guard } from '#src/connection/guard.js';
import { Secret } from '#src/settings/secret.js';
import { serveRounds } from './contestant.mjs';
import { pgOptions, ROWS } from './database.mjs';

const TIMES = 3;
const SCAN = `select measured.* from generate_series(1, ${TIMES}), measured`;
const BATCH = 1_000;

const [contestant, json] = process.argv.slice(2);
const options = await pgOptions(JSON.parse(json));
const socket = connect({
  ...options.ssl,
  host: options.host,
  port: options.port,
  servername: options.host,
  ALPNProtocols: ['postgresql'],
});
await once(socket, 'secureConnect');
// As the driver asks of a bare socket, and our transport does before the guard sees it.
socket.setNoDelay(true);
const client = new pg.Client({ ...options, ssl: false, stream: { bare, guarded }[contestant] });
await client.connect();

serveRounds(async () => {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const cursor = client.query(new Cursor(SCAN));
  let rows = 0;
  for (let batch = BATCH; batch === BATCH; rows += batch) batch = (await cursor.read(BATCH)).length;
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  if (rows !== TIMES * ROWS) throw new Error(`${rows} rows`);
  return { wallMs, cpuMs: (user + system) / 1_000 };
});

/** The socket itself, which is open already and only says so. */
function bare() {
  socket.connect = () => process.nextTick(() => socket.emit('connect'));
  return socket;
}

function guarded() {
  const { host, port } = options;
  const proof = { kind: 'token', token: new Secret(''), isVerified: socket.authorized };
  return new Guard(socket, { host, port, tls: {} }, proof, () => undefined);
}
