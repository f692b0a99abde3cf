import { createHash } from 'node:crypto';
import { Secret } from '../settings/secret.js';
import type { Identity } from '../settings/settings.js';

/**
 * Name under which this process keeps the token of `identity`: equal only where every part is
 * equal, secrets included. It means nothing to another process.
 */
export function tokenKey(identity: Identity): string {
  const text = JSON.stringify(identity, (_, value: unknown) =>
    value instanceof Secret ? value.fingerprint() : value,
  );
  return createHash('sha256').update(text).digest('base64url');
}

/**
 * Whose token a file may hold, equal in every process: authority, tenant, client, scope and kind of
 * credential, without the credential itself.
 */
export function storeFingerprint(identity: Identity): string {
  const credential = 'credential' in identity ? (identity.credential?.kind ?? 'none') : 'none';
  const bare = Object.entries(identity).filter(([name]) => name !== 'credential' && name !== 'grant');
  const text = JSON.stringify([...bare.sort(([a], [b]) => (a < b ? -1 : 1)), ['credential', credential]]);
  return createHash('sha256').update(text).digest('base64url');
}
