import { ConnectorError } from '../../errors.js';
import { FileStore } from './file-store.js';
import { namedMemoryStore, ownMemoryStore } from './memory.js';
import type { TokenStore, TokenStoreOptions } from './token-store.js';

export type { StoredToken, TokenRequest, TokenStore, TokenStoreOptions } from './token-store.js';

/** Kinds of stores: the first that knows the location has it. Another kind of place is one line here. */
const KINDS: readonly {
  readonly knows: (location: string) => boolean;
  readonly open: (options: TokenStoreOptions) => TokenStore;
}[] = [
  { knows: (location) => location === 'memory://', open: ownMemoryStore },
  {
    knows: (location) => location.startsWith('memory://'),
    open: ({ location }) => namedMemoryStore(location),
  },
  { knows: isPath, open: (options) => new FileStore(options) },
];

/**
 * The store that `OAuthSettingsLocation` names. `memory://name` is one store per name and
 * process; `memory://` is one of its own at each call; a path is a file that processes share. No I/O.
 *
 * @throws ConnectorError PROPERTY_INVALID for any other location, TOKEN_FILE_REFUSED for the file
 *   of CData's own driver
 */
export function openTokenStore(options: TokenStoreOptions): TokenStore {
  const kind = KINDS.find(({ knows }) => knows(options.location));
  if (kind) return kind.open(options);
  const problems = 'OAuthSettingsLocation must be memory://, memory://name or the path of a file.';
  throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties: ['OAuthSettingsLocation'] });
}

function isPath(location: string): boolean {
  return location !== '' && !/^[a-z][a-z\d+.-]*:\/\//i.test(location);
}
