import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import type { Identity, Settings, TokenSettings } from '../settings/settings.js';
import type { AccessToken } from './access-token.js';
import { createEntraClient } from './entra-client.js';
import { storeFingerprint, tokenKey } from './identity-key.js';
import { createManagedIdentityClient } from './managed-identity.js';
import { createNetwork, type Fetch, type Network } from './network.js';
import { createOpenIdClient } from './openid-client.js';
import { createSuppliedSource, readSuppliedToken } from './supplied-token.js';
import type { TokenClientContext } from './token-call.js';
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
  /** {@link requestAnew} for this connection; undefined where nothing is to be asked. */
  readonly requestAnew: ((signal?: AbortSignal) => Promise<FreshToken>) | undefined;
}

/** A token that was requested a moment ago. */
export interface FreshToken {
  readonly token: AccessToken;
  /** Why it is not kept where it should be, a sentence each. */
  readonly warnings: readonly string[];
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
  return {
    network,
    client,
    tokens: sourceOf(settings, client, options),
    requestAnew: client && ((signal) => requestAnew(settings, client, options, signal)),
  };
}

/**
 * A token that is requested now, whatever is kept, and then kept as any other: it proves the
 * credential and the place for tokens.
 *
 * @throws ConnectorError what {@link TokenStore.obtain} fails with
 */
async function requestAnew(
  { identity, tokens }: Settings,
  client: TokenClient,
  options: TokenOptions,
  signal: AbortSignal | undefined,
): Promise<FreshToken> {
  const warnings: string[] = [];
  const warn = (text: string): void => {
    warnings.push(text);
    options.diagnostics.report('settings.warning', { text });
  };
  const store = options.tokenStore ?? openTokenStore(storeOptions(identity, tokens, client, options, warn));
  const token = await store.obtain(tokenKey(identity), {
    accepts: () => false,
    request: () => client.requestToken(signal),
    ...(signal && { signal }),
  });
  return { token, warnings };
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
  const warn = (text: string): void => {
    diagnostics.report('settings.warning', { text });
  };
  if (client)
    return createTokenSource({
      key: tokenKey(identity),
      request: (signal, note) => client.requestToken(signal, note),
      store: tokenStore ?? openTokenStore(storeOptions(identity, tokens, client, options, warn)),
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
  { clock }: TokenOptions,
  onWarning: (text: string) => void,
): TokenStoreOptions {
  return {
    location,
    clock,
    fingerprint: storeFingerprint(identity),
    keyMaterial: async () => (key ? Buffer.from(key.reveal()) : client.keyMaterial()),
    onWarning,
  };
}
