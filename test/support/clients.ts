import { createEntraClient, type EntraClient } from '#src/auth/entra-client.js';
import { createNetwork, type Network } from '#src/auth/network.js';
import { systemClock, type Clock } from '#src/clock.js';
import { createDiagnostics, type Logger } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';

/** An Entra client for a connection string, with the parts a test wants to replace. */
export function entraClientFor(
  connection: string,
  options: { clock?: Clock; logger?: Logger } = {},
): { entra: EntraClient; network: Network } {
  const { settings } = explainSettings(connection);
  const { identity, timeoutMs } = settings;
  const clock = options.clock ?? systemClock;
  const network = createNetwork({ ca: identity.ca, proxy: { kind: 'none' }, clock });
  const diagnostics = createDiagnostics(options.logger);
  return { entra: createEntraClient({ identity, timeoutMs, network, clock, diagnostics }), network };
}
