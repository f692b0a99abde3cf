// One contestant of read.mjs: each round reads rows by their key on one session, with so many callers, until
// the time is over or so many are read, and gives the rows per second.
//
//   node read-client.mjs connector|pg <connection properties as JSON>
import pgDriver from 'pg';
import { createConnector } from '../dist/index.js';
import { serveRounds } from './contestant.mjs';
import { nextId, pgOptions, POINT_READ } from './database.mjs';

const [contestant, json] = process.argv.slice(2);
const read = await { connector, pg }[contestant](JSON.parse(json));

serveRounds(async ({ callers, ms = Infinity, reads = Infinity }) => {
  const startedAt = performance.now();
  let done = 0;
  const call = async () => {
    while (done < reads && performance.now() - startedAt < ms) {
      const id = nextId();
      const { rows } = await read(id);
      if (rows[0].id !== id) throw new Error('another row than the one asked for');
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return (done / (performance.now() - startedAt)) * 1_000;
});

function connector(properties) {
  const own = createConnector({ ...properties, PoolMaxSize: '1' });
  return (id) => own.execute('select', { sql: POINT_READ, parameters: [id] });
}

async function pg(properties) {
  const pool = new pgDriver.Pool({ ...(await pgOptions(properties)), max: 1 });
  return (id) => pool.query(POINT_READ, [id]);
}
