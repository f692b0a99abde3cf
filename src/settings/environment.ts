import type { SettingsNote } from './raw-properties.js';

/**
 * What the environment asks for and does not get: certificates are verified whatever
 * NODE_TLS_REJECT_UNAUTHORIZED says.
 */
export function environmentNotes(environment: Readonly<Record<string, string | undefined>>): SettingsNote[] {
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return [];
  const text =
    'NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect on this connector: certificates are verified; use TokenCA and SSLCA to trust a CA.';
  return [{ property: 'SSLCA', text }];
}
