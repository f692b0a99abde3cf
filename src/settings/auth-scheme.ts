import { CREDENTIALS, derive } from './derivations.js';
import type { PropertyName } from './properties.js';
import type { ValueReader } from './value-reader.js';

/** A way to log in, in today's spelling of `AuthScheme`. */
export type AuthScheme =
  | 'AzureServicePrincipal'
  | 'AzureServicePrincipalCert'
  | 'AzureWorkloadIdentity'
  | 'AzureMSI'
  | 'OAuthClient'
  | 'OAuthToken'
  | 'Password';

/** Who obtains the token: CData's `InitiateOAuth`. */
export type InitiateOAuth = 'GETANDREFRESH' | 'REFRESH' | 'OFF';

/** The properties that decide which others count. */
export interface LoginChoice {
  readonly scheme: AuthScheme;
  readonly initiate: InitiateOAuth;
  readonly grant: 'CLIENT' | 'JWT';
  /** The given scheme was refused: `scheme` only stands in for it, and nothing follows from it. */
  readonly isRefused: boolean;
}

/**
 * How to log in. An absent `AuthScheme`, `AzureAD`, and `AzureServicePrincipal` with only a
 * certificate are read as what the credential says, so that both groups of the older
 * documentation work as printed.
 */
export function chooseLogin(values: ValueReader): LoginChoice {
  const given = values.choice('AuthScheme');
  const isRefused = given === undefined && values.has('AuthScheme');
  const has = (name: PropertyName): boolean => values.has(name);
  const decided = derive('AuthScheme', given, has);
  const scheme = (isRefused ? 'AzureMSI' : decided.value) as AuthScheme;
  const written = values.choice('InitiateOAuth');
  const initiate = derive('InitiateOAuth', written, has, { AuthScheme: scheme }).value as InitiateOAuth;
  const choice = { scheme, initiate, grant: grantOf(values, scheme), isRefused };
  if (isRefused) return choice;
  if (given === 'AzureAD' && initiate === 'GETANDREFRESH' && !hasAny(values, CREDENTIALS))
    values.unsupported('AuthScheme', 'AuthScheme=AzureAD', NO_BROWSER);
  if (given !== undefined && given !== scheme) values.readAs('AuthScheme', scheme);
  else
    values.count(
      'AuthScheme',
      scheme,
      decided.by === undefined ? 'no credential is set' : `from ${decided.by}`,
    );
  values.count('InitiateOAuth', initiate, storyOf(choice));
  reportConflicts(values, scheme);
  reportMissingSense(values, choice);
  if (written === 'OFF') reportNothingToUse(values, scheme);
  return choice;
}

function storyOf({ scheme, initiate }: LoginChoice): string {
  if (initiate !== 'OFF') return 'the connector can request a token';
  return scheme === 'OAuthToken' ? 'OAuthToken uses OAuthAccessToken only' : 'only OAuthAccessToken is set';
}

const NO_BROWSER =
  'without OAuthClientSecret or OAuthJWTCert it logs in a user by a browser, and a flow has neither; set one of the two, and the application logs in as itself';

function reportConflicts(values: ValueReader, scheme: AuthScheme): void {
  const proofs = CREDENTIALS.filter((name) => values.has(name));
  if (proofs.length > 1 && scheme.startsWith('AzureServicePrincipal')) {
    const names = `${proofs.slice(0, -1).join(', ')} and ${proofs.at(-1) ?? ''}`;
    values.conflict(
      proofs,
      `${proofs.length === 2 ? 'Both ' : ''}${names} are set; only one of them can prove the application.`,
    );
  }
}

function grantOf(values: ValueReader, scheme: AuthScheme): 'CLIENT' | 'JWT' {
  const grant = values.choice('OAuthGrantType') === 'JWT' ? 'JWT' : 'CLIENT';
  if (grant === 'JWT' && scheme !== 'OAuthClient')
    values.conflict(
      ['OAuthGrantType'],
      `OAuthGrantType JWT works with OAuthClient only, not with ${scheme}.`,
    );
  return grant;
}

function reportMissingSense(values: ValueReader, { scheme, initiate, grant }: LoginChoice): void {
  if (scheme === 'OAuthToken' && initiate !== 'OFF') {
    values.conflict(
      ['InitiateOAuth'],
      `InitiateOAuth ${initiate} has nothing to obtain a token with: OAuthToken only uses OAuthAccessToken; set it to OFF.`,
    );
  }
  if (scheme === 'OAuthClient' && initiate !== 'OFF') {
    const both = values.has('OAuthClientSecret') && values.has('OAuthJWTCert');
    if (both && grant === 'CLIENT')
      values.conflict(
        ['OAuthClientSecret', 'OAuthJWTCert'],
        'Both OAuthClientSecret and OAuthJWTCert are set; only one of them can prove the application.',
      );
  }
}

// OFF is the default elsewhere, so it is pasted beside credentials that are meant to be used.
function reportNothingToUse(values: ValueReader, scheme: AuthScheme): void {
  const couldRequest = scheme === 'AzureMSI' || hasAny(values, CREDENTIALS);
  const isOther = scheme === 'Password' || scheme === 'OAuthToken';
  if (isOther || values.has('OAuthAccessToken') || !couldRequest) return;
  values.conflict(
    ['InitiateOAuth'],
    'InitiateOAuth OFF means that only a token of yours is used, and none is given; ' +
      'set it to GETANDREFRESH, or remove it, and the connector obtains one.',
  );
}

function hasAny(values: ValueReader, names: readonly PropertyName[]): boolean {
  return names.some((name) => values.has(name));
}
