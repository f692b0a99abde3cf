import type { Credential } from './credential-source.js';

// 32 characters of Entra's own making hold some 190 bits; shorter ones were chosen by somebody.
const SHORTEST_SECRET = 32;

/**
 * What the keys of a token file are made from where `OAuthSettingsKey` is not set: the client secret
 * if it has 32 characters or more, or the private key of the certificate. Undefined for anything
 * else: nothing may then be written.
 */
export function keyMaterialOf(credential: Credential): Buffer | undefined {
  if (credential.kind === 'certificate')
    return credential.signer.entry.privateKey.export({ type: 'pkcs8', format: 'der' });
  if (credential.kind === 'assertion') return undefined;
  const secret = credential.secret.reveal();
  return secret.length >= SHORTEST_SECRET ? Buffer.from(secret) : undefined;
}
