import { createHash } from 'node:crypto';
import { Secret } from '../settings/secret.js';
import type { Identity } from '../settings/settings.js';

/**
 * Name under which this process keeps the token of `identity`: equal only where every part is
 * equal, secrets included. It means nothing to another process.
 */
export function tokenKey(identity: Identity): string {
  return fingerprintOf(identity);
}

/** Equal within this process only where every part of two plain values is equal, secrets included. */
export function fingerprintOf(value: unknown): string {
  const text = JSON.stringify(fingerprinted(value));
  return createHash('sha256').update(text).digest('base64url');
}

// Before JSON sees them: there a Secret is only its mask, equal for all.
function fingerprinted(value: unknown): unknown {
  if (value instanceof Secret) return value.fingerprint();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, fingerprinted(inner)]));
}

/**
 * Whose token a file may hold, equal in every process: authority, tenant, client, scope, kind of
 * credential and subject of a grant, without the credential itself.
 */
export function storeFingerprint(identity: Identity): string {
  const credential = 'credential' in identity ? (identity.credential?.kind ?? 'none') : 'none';
  const bare = Object.entries(identity).filter(([name]) => name !== 'credential' && name !== 'grant');
  const subject = 'grant' in identity ? (identity.grant?.subject ?? '') : '';
  const text = JSON.stringify([...bare.sort(([a], [b]) => (a < b ? -1 : 1)), credential, subject]);
  return createHash('sha256').update(text).digest('base64url');
}
