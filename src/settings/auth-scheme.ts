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
  const scheme = isRefused ? 'AzureMSI' : schemeOf(values, given);
  const initiate = initiateOf(values, scheme);
  const choice = { scheme, initiate, grant: grantOf(values, scheme), isRefused };
  if (isRefused) return choice;
  if (given === 'AzureAD' && initiate === 'GETANDREFRESH' && !hasAny(values, CREDENTIALS))
    values.unsupported('AuthScheme', 'AuthScheme=AzureAD', NO_BROWSER);
  if (given !== undefined && given !== scheme) values.readAs('AuthScheme', scheme);
  else values.count('AuthScheme', scheme, `from ${deciderOf(values) ?? 'the credential'}`);
  values.count('InitiateOAuth', initiate, initiate === 'OFF' ? ONLY_TOKEN : CAN_REQUEST);
  reportConflicts(values, scheme);
  reportMissingSense(values, choice);
  return choice;
}

const ONLY_TOKEN = 'only OAuthAccessToken is set';
const CAN_REQUEST = 'the connector can request a token';
const NO_BROWSER =
  'without OAuthClientSecret or OAuthJWTCert it logs in a user by a browser, and a flow has neither; set one of the two, and the application logs in as itself';

function schemeOf(values: ValueReader, given: string | undefined): AuthScheme {
  if (given !== undefined && !['AzureAD', 'AzureServicePrincipal'].includes(given))
    return given as AuthScheme;
  const decider = deciderOf(values);
  if (given === undefined && decider !== undefined) return SCHEMES[decider];
  if (given === 'AzureAD' && decider === 'OAuthClientAssertion') return 'AzureWorkloadIdentity';
  return values.has('OAuthJWTCert') ? 'AzureServicePrincipalCert' : 'AzureServicePrincipal';
}

/** The scheme that a property speaks for when AuthScheme is absent, the strongest first. */
const SCHEMES = {
  OAuthIssuer: 'OAuthClient',
  OAuthAccessTokenURL: 'OAuthClient',
  OAuthJWTCert: 'AzureServicePrincipalCert',
  OAuthClientSecret: 'AzureServicePrincipal',
  OAuthClientAssertion: 'AzureWorkloadIdentity',
  OAuthAccessToken: 'OAuthToken',
  AzureTenant: 'AzureServicePrincipal',
  OAuthClientId: 'AzureServicePrincipal',
  Password: 'Password',
} as const satisfies Partial<Record<PropertyName, AuthScheme>>;

function deciderOf(values: ValueReader): keyof typeof SCHEMES | undefined {
  return (Object.keys(SCHEMES) as (keyof typeof SCHEMES)[]).find((name) => values.has(name));
}

const CREDENTIALS = ['OAuthClientSecret', 'OAuthJWTCert', 'OAuthClientAssertion'] as const;

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

function initiateOf(values: ValueReader, scheme: AuthScheme): InitiateOAuth {
  const given = values.choice('InitiateOAuth');
  if (given !== undefined) return given as InitiateOAuth;
  const canRequest = scheme === 'AzureMSI' || hasAny(values, CREDENTIALS);
  return scheme === 'OAuthToken' || (values.has('OAuthAccessToken') && !canRequest) ? 'OFF' : 'GETANDREFRESH';
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
    if (grant === 'JWT' && !values.has('OAuthJWTCert'))
      values.problem('OAuthJWTCert', 'is missing: OAuthGrantType JWT signs its assertion with it');
  }
}

function hasAny(values: ValueReader, names: readonly PropertyName[]): boolean {
  return names.some((name) => values.has(name));
}
