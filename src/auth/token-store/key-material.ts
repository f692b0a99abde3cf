import type { Secret } from '../../settings/secret.js';
import type { Credential } from '../credential.js';

// 32 characters of Entra's own making hold some 190 bits; shorter ones were chosen by somebody.
const SHORTEST_SECRET = 32;

/**
 * What the keys of a token file are made from: `settingsKey` (`OAuthSettingsKey`) if there is one, else
 * the client secret if it has 32 characters or more, else the private key of the certificate.
 * Undefined when none of these is there: nothing may then be written.
 */
export function keyMaterialOf(credential: Credential, settingsKey?: Secret): Buffer | undefined {
  if (settingsKey) return Buffer.from(settingsKey.reveal());
  if (credential.kind === 'certificate')
    return credential.entry.privateKey.export({ type: 'pkcs8', format: 'der' });
  const secret = credential.secret.reveal();
  return secret.length >= SHORTEST_SECRET ? Buffer.from(secret) : undefined;
}
