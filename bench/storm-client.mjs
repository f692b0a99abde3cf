// One contestant of the storm in a process of its own: 1,000 callers ask for a token at once, and none is
// there. Prints what that cost as JSON. Before the clock starts another object of the same kind has
// obtained one token, so that loading the modules (which load.mjs measures) does not count.
//
//   node storm-client.mjs connector|identity <connection properties as JSON>
import { explainSettings } from '#src/settings/settings.js';
import { systemClock } from '#src/clock.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { openTokens } from '#src/auth/index.js';
import { requirePeer } from './peers.mjs';

const CALLERS = 1_000;
const [contestant, json] = process.argv.slice(2);
const properties = JSON.parse(json);

const CONTESTANTS = { connector, identity };
const makeSource = CONTESTANTS[contestant];
await makeSource()();
const getToken = makeSource();

const cpu = process.cpuUsage();
const startedAt = performance.now();
const outcomes = await Promise.allSettled(Array.from({ length: CALLERS }, () => getToken()));
const wallMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(cpu);
const failed = outcomes.filter(({ value }) => typeof value !== 'string' || value === '').length;
console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1_000, failed }));
process.exit();

function connector() {
  const { settings } = explainSettings(properties);
  const { tokens } = openTokens(settings, { clock: systemClock, diagnostics: createDiagnostics() });
  return async () => (await tokens.get()).value.reveal();
}

function identity() {
  const { ClientSecretCredential } = requirePeer('@azure/identity');
  const { AzureTenant, OAuthClientId, OAuthClientSecret, AzureAuthority } = properties;
  const credential = new ClientSecretCredential(AzureTenant, OAuthClientId, OAuthClientSecret, {
    authorityHost: AzureAuthority,
    disableInstanceDiscovery: true,
    retryOptions: { maxRetries: 0 },
  });
  return async () => (await credential.getToken('https://ossrdbms-aad.database.windows.net/.default')).token;
}
