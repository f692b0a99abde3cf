// One contestant of cold.mjs: each round makes a new pool, which has its token but no session, and gives
// the milliseconds until the last of 200 callers has its row.
//
//   node cold-client.mjs connector|pg <connection properties as JSON> [<size of the pool>]
import pgDriver from 'pg';
import { createConnector } from '../dist/index.js';
import { serveRounds } from './contestant.mjs';
import { nextId, pgOptions, POINT_READ } from './database.mjs';

const CALLERS = 200;
const [contestant, json, size] = process.argv.slice(2);
const openPool = await { connector, pg }[contestant](JSON.parse(json));

serveRounds(async () => {
  const { read, close } = openPool();
  const startedAt = performance.now();
  const results = await Promise.all(Array.from({ length: CALLERS }, () => read(nextId())));
  const ms = performance.now() - startedAt;
  if (results.some(({ rows }) => rows.length !== 1)) throw new Error('a caller got no row');
  await close();
  return ms;
});

async function connector(properties) {
  const withToken = { ...properties, OAuthSettingsLocation: 'memory://cold' };
  // The token stays in the store of that name, the session does not.
  const first = createConnector(withToken);
  await first.execute('select', { sql: 'select 1', parameters: [] });
  await first.close();
  return () => {
    const own = createConnector(withToken);
    return {
      read: (id) => own.execute('select', { sql: POINT_READ, parameters: [id] }),
      close: () => own.close(),
    };
  };
}

async function pg(properties) {
  const options = await pgOptions(properties);
  return () => {
    const pool = new pgDriver.Pool({ ...options, max: Number(size) });
    return { read: (id) => pool.query(POINT_READ, [id]), close: () => pool.end() };
  };
}
