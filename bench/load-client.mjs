// One contestant of load.mjs in a process of its own. Prints the milliseconds from the end of Node's
// own start to the end of its work.
//
//   node load-client.mjs bare | palette | connector | peer  [<connection properties as JSON>]
const [contestant, json] = process.argv.slice(2);
const properties = json && JSON.parse(json);

await { bare, palette, connector, peer }[contestant]();
console.log(performance.now() - performance.nodeTiming.bootstrapComplete);
process.exit();

function bare() {
  return undefined;
}

/** What Node-RED loads to list our nodes. */
async function palette() {
  await import('../dist/hosts/node-red/connection.js');
  await import('../dist/hosts/node-red/operation.js');
}

/** From nothing to the first row. */
async function connector() {
  const { createConnector } = await import('../dist/index.js');
  const own = createConnector(properties);
  await own.execute('select', { sql: 'select 1 as one' });
}

/** The same as its readme shows it: a credential, and its token as the password of the driver. */
async function peer() {
  const { requirePeer } = await import('./peers.mjs');
  const { readFileSync } = await import('node:fs');
  const { ClientSecretCredential } = requirePeer('@azure/identity');
  const { default: pg } = await import('pg');
  const { AzureTenant, OAuthClientId, OAuthClientSecret, AzureAuthority, SSLCA } = properties;
  const credential = new ClientSecretCredential(AzureTenant, OAuthClientId, OAuthClientSecret, {
    authorityHost: AzureAuthority,
    disableInstanceDiscovery: true,
  });
  const { token } = await credential.getToken('https://ossrdbms-aad.database.windows.net/.default');
  const { Server, Port, Database, User } = properties;
  const client = new pg.Client({
    host: Server,
    port: Number(Port),
    database: Database,
    user: User,
    password: token,
    ssl: { ca: readFileSync(SSLCA) },
  });
  await client.connect();
  await client.query('select 1 as one');
}
