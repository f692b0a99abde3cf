import type { LoginChoice } from './auth-scheme.js';
import type { Secret } from './secret.js';
import type { ValueReader } from './value-reader.js';

/** Fewest characters of what encrypts the file: it is not stretched, so what it lacks in length an attacker gains. */
const SHORTEST_KEY = 32;

/**
 * The key of `OAuthSettingsKey` for the file of `OAuthSettingsLocation`. Reports a file that nothing
 * could encrypt, and lets the key have no effect where there is no file.
 */
export function tokenKeyOf(values: ValueReader, login: LoginChoice): Secret | undefined {
  const isLong = (text: string): boolean => text.length >= SHORTEST_KEY;
  values.optionalChecked('OAuthSettingsKey', isLong, `must have ${String(SHORTEST_KEY)} characters or more`);
  if (values.text('OAuthSettingsLocation').startsWith('memory://'))
    values.idle(['OAuthSettingsKey'], 'with a token in memory');
  else if (!values.has('OAuthSettingsKey')) requireOtherKey(values, login);
  return values.secret('OAuthSettingsKey');
}

function requireOtherKey(values: ValueReader, login: LoginChoice): void {
  const reason = keyless(values, login);
  if (reason === undefined) return;
  const rule = `is needed to encrypt the file of OAuthSettingsLocation: ${reason}`;
  values.problem('OAuthSettingsKey', `${rule}; set it, or set OAuthSettingsLocation to memory://`);
}

/** Why the credential cannot encrypt the file; undefined where it can, or nothing is kept. */
function keyless(
  values: ValueReader,
  { scheme, initiate, grant, isRefused }: LoginChoice,
): string | undefined {
  if (isRefused || initiate === 'OFF') return undefined;
  if (scheme === 'AzureMSI') return 'a managed identity has no secret';
  if (scheme === 'AzureWorkloadIdentity') return 'a federated token is another one each time';
  const signs = scheme === 'OAuthClient' && values.has('OAuthJWTCert');
  const usesSecret = scheme === 'AzureServicePrincipal' || (scheme === 'OAuthClient' && !signs);
  const length = values.text('OAuthClientSecret').length;
  const isShort = usesSecret && grant === 'CLIENT' && length > 0 && length < SHORTEST_KEY;
  return isShort ? `the client secret has fewer than ${String(SHORTEST_KEY)} characters` : undefined;
}
