import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import type { Settings } from '../settings/settings.js';
import { createEntraClient, type EntraClient } from './entra-client.js';
import { createNetwork, type Fetch, type Network } from './network.js';
import { createTokenSource, tokenKey, type TokenSource } from './token-source.js';
import { openTokenStore, type TokenStore } from './token-store/index.js';

export interface TokenSourceParts {
  readonly network: Network;
  readonly entra: EntraClient;
  readonly tokens: TokenSource;
}

/** The token source of `settings` and what it is made of. No I/O. */
export function openTokenSource(
  settings: Settings,
  options: {
    readonly clock: Clock;
    readonly diagnostics: Diagnostics;
    readonly fetch?: Fetch | undefined;
    readonly tokenStore?: TokenStore | undefined;
  },
): TokenSourceParts {
  const { identity, timeoutMs } = settings;
  const { clock, diagnostics } = options;
  const network = createNetwork({
    ca: identity.ca,
    proxy: { kind: 'none' },
    clock,
    fetch: options.fetch,
  });
  const entra = createEntraClient({ identity, timeoutMs, network, clock, diagnostics });
  const tokens = createTokenSource({
    key: tokenKey(identity),
    request: (signal) => entra.requestToken(signal),
    store: options.tokenStore ?? openTokenStore(identity.tokenLocation),
    clock,
    diagnostics,
  });
  return { network, entra, tokens };
}
