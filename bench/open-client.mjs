// One contestant of open.mjs: each round opens one session and gives the milliseconds; its end does not count.
//
//   node open-client.mjs pg|connector <connection properties as JSON>
import pgDriver from 'pg';
import { createConnector } from '../dist/index.js';
import { serveRounds } from './contestant.mjs';
import { pgOptions } from './database.mjs';

const [contestant, json] = process.argv.slice(2);
const { open, close } = await { pg, connector }[contestant](JSON.parse(json));

serveRounds(async () => {
  const startedAt = performance.now();
  const session = await open();
  const ms = performance.now() - startedAt;
  await close(session);
  return ms;
});

async function pg(properties) {
  const options = await pgOptions(properties);
  return {
    async open() {
      const client = new pgDriver.Client(options);
      await client.connect();
      return client;
    },
    close: (client) => client.end(),
  };
}

function connector(properties) {
  const { provider } = createConnector(properties);
  return { open: () => provider.connect(), close: (session) => provider.disconnect(session) };
}
