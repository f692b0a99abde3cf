import { openTokens } from '#src/auth/index.js';
import type { Fetch, Network } from '#src/auth/network.js';
import type { TokenClient } from '#src/auth/token-client.js';
import { systemClock, type Clock } from '#src/clock.js';
import { createDiagnostics, type Logger } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';

/** A token client for a connection string, with the parts a test wants to replace. */
export function entraClientFor(
  connection: string,
  options: { clock?: Clock; logger?: Logger; fetch?: Fetch } = {},
): { entra: TokenClient; network: Network } {
  const { settings } = explainSettings(connection);
  const clock = options.clock ?? systemClock;
  const diagnostics = createDiagnostics({ logger: options.logger });
  const { client, network } = openTokens(settings, { clock, diagnostics, fetch: options.fetch });
  if (!client) throw new Error('these settings request no tokens');
  return { entra: client, network };
}
