// What does a token from memory cost: against a bare lookup, and against MSAL's own cache?
import { ConfidentialClientApplication } from '@azure/msal-node';
import { openTokens } from '#src/auth/index.js';
import { startBudget, systemClock } from '#src/clock.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';
import { startSandbox } from '#sandbox/index.js';
import {
  interleave,
  nanosecondsPerCall,
  nanosecondsPerSyncCall,
  reportAtLeast,
  reportAtMost,
} from './rounds.mjs';

const ROUNDS = 9;
const CALLS = 200_000;
const LIMITS = { budget: startBudget(systemClock, 0) };
const SCOPES = ['https://ossrdbms-aad.database.windows.net/.default'];

const sandbox = await startSandbox({ skipPostgres: true });
try {
  const { settings } = explainSettings(sandbox.connections.secret);
  const { tokens, network } = openTokens(settings, { clock: systemClock, diagnostics: createDiagnostics() });
  const msal = await msalApplication(sandbox, network);
  const token = await tokens.get();
  const lookup = bareLookup(token);
  const costs = await interleave(
    {
      lookup: () => nanosecondsPerSyncCall(lookup, CALLS),
      sync: () => nanosecondsPerSyncCall(() => tokens.get(), CALLS),
      // An answer from memory is no promise; awaiting it anyway is what a caller does.
      awaited: () => nanosecondsPerCall(() => tokens.get(), CALLS),
      msal: () => nanosecondsPerCall(() => msal.acquireTokenByClientCredential({ scopes: SCOPES }), 2_000),
    },
    ROUNDS,
  );
  const ratios = (above, below) => costs[above].map((cost, round) => cost / costs[below][round]);
  reportAtMost('token from memory: times a bare Map lookup with expiry check', ratios('sync', 'lookup'), 2.5);
  reportAtMost('the same, awaited', ratios('awaited', 'lookup'), 6);
  reportAtLeast('times cheaper than a cached acquire of @azure/msal-node', ratios('msal', 'sync'), 200);
  await network.close();
} finally {
  await sandbox.close();
}

/** What anybody would write: a Map by a text key, and a look at the clock. */
function bareLookup(token) {
  const key = 'https://login.example/tenant|client|scope';
  const kept = new Map([[key, { token, expiresAt: token.expiresAtWallMs }]]);
  return () => {
    const entry = kept.get(key);
    return entry !== undefined && entry.expiresAt > Date.now() ? entry.token : undefined;
  };
}

async function msalApplication({ authority, clientId, clientSecret, tenantId }, network) {
  const at = `${authority.url}/${tenantId}`;
  const url = `${at}/v2.0/.well-known/openid-configuration`;
  const { body } = await network.send({ method: 'GET', url }, LIMITS);
  const application = new ConfidentialClientApplication({
    auth: {
      clientId,
      clientSecret,
      authority: at,
      authorityMetadata: body,
      knownAuthorities: [authority.host],
    },
    system: {
      networkClient: {
        sendGetRequestAsync: undefined,
        sendPostRequestAsync: (url, request) => post(network, url, request),
      },
    },
  });
  await application.acquireTokenByClientCredential({ scopes: SCOPES });
  return application;
}

async function post(network, url, { headers, body }) {
  const answer = await network.send({ method: 'POST', url, headers, body }, LIMITS);
  return { status: answer.status, headers: {}, body: JSON.parse(answer.body) };
}
