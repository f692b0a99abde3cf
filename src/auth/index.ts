import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import type { Identity, Settings, TokenSettings } from '../settings/settings.js';
import { createEntraClient, type TokenClientContext } from './entra-client.js';
import { storeFingerprint, tokenKey } from './identity-key.js';
import { createManagedIdentityClient } from './managed-identity.js';
import { createNetwork, type Fetch, type Network } from './network.js';
import { createOpenIdClient } from './openid-client.js';
import { createSuppliedSource, readSuppliedToken } from './supplied-token.js';
import type { TokenClient } from './token-client.js';
import { createTokenSource, type TokenSource } from './token-source.js';
import { openTokenStore, type TokenStore, type TokenStoreOptions } from './token-store/index.js';

/** What gives a connection its tokens. */
export interface TokenParts {
  readonly network: Network;
  /** Asks for new ones; undefined where nothing is to be asked. */
  readonly client: TokenClient | undefined;
  /** Undefined for a login by password. */
  readonly tokens: TokenSource | undefined;
}

export interface TokenOptions {
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  readonly fetch?: Fetch | undefined;
  readonly tokenStore?: TokenStore | undefined;
}

/**
 * The token source of `settings` and what it is made of. No I/O.
 *
 * @throws ConnectorError PROPERTY_INVALID for a supplied token that is none
 */
export function openTokens(settings: Settings, options: TokenOptions): TokenParts {
  const { identity, timeoutMs } = settings;
  const { clock, diagnostics } = options;
  const network = createNetwork({ ...settings.network, clock, diagnostics, fetch: options.fetch });
  const client = clientOf(identity, { timeoutMs, network, clock, diagnostics });
  return { network, client, tokens: sourceOf(settings, client, options) };
}

function clientOf(identity: Identity, context: TokenClientContext): TokenClient | undefined {
  if (identity.kind === 'entra') return createEntraClient(identity, context);
  if (identity.kind === 'managed-identity') return createManagedIdentityClient(identity, context);
  if (identity.kind === 'openid') return createOpenIdClient(identity, context);
  return undefined;
}

function sourceOf(
  { identity, tokens }: Settings,
  client: TokenClient | undefined,
  options: TokenOptions,
): TokenSource | undefined {
  const { clock, diagnostics, tokenStore } = options;
  const supplied = tokens.supplied && readSuppliedToken(tokens.supplied, clock);
  if (client)
    return createTokenSource({
      key: tokenKey(identity),
      request: (signal, note) => client.requestToken(signal, note),
      store: tokenStore ?? openTokenStore(storeOptions(identity, tokens, client, options)),
      clock,
      diagnostics,
      supplied,
      credentialHealth: () => client.credentialHealth(),
    });
  return supplied && createSuppliedSource(supplied, clock);
}

function storeOptions(
  identity: Identity,
  { location, key }: TokenSettings,
  client: TokenClient,
  { clock, diagnostics }: TokenOptions,
): TokenStoreOptions {
  return {
    location,
    clock,
    fingerprint: storeFingerprint(identity),
    keyMaterial: async () => (key ? Buffer.from(key.reveal()) : client.keyMaterial()),
    onWarning: (text) => {
      diagnostics.report('settings.warning', { text });
    },
  };
}
