// How much cheaper is a token from our source than one from MSAL's own cache, both warm?
import { ConfidentialClientApplication } from '@azure/msal-node';
import { openTokenSource } from '#src/auth/index.js';
import { startBudget, systemClock } from '#src/clock.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';
import { startSandbox } from '#sandbox/index.js';
import { interleave, nanosecondsPerCall, report } from './rounds.mjs';

const ROUNDS = 7;
const LIMITS = { budget: startBudget(systemClock, 0) };
const SCOPES = ['https://ossrdbms-aad.database.windows.net/.default'];

const sandbox = await startSandbox({ skipPostgres: true });
try {
  const { settings } = explainSettings(sandbox.connections.secret);
  const { tokens, network } = openTokenSource(settings, {
    clock: systemClock,
    diagnostics: createDiagnostics(),
  });
  const msal = await msalApplication(sandbox, network);
  await tokens.get();
  const costs = await interleave(
    {
      // An answer from memory is no promise; awaiting it anyway is what a caller does.
      source: () => nanosecondsPerCall(() => tokens.get(), 200_000),
      msal: () => nanosecondsPerCall(() => msal.acquireTokenByClientCredential({ scopes: SCOPES }), 2_000),
    },
    ROUNDS,
  );
  const ratios = costs.msal.map((cost, round) => cost / costs.source[round]);
  report('token from memory, awaited: times cheaper than a cached acquire of @azure/msal-node', ratios, 100);
  await network.close();
} finally {
  await sandbox.close();
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
