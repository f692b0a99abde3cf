import type { PropertyName } from './properties.js';
import { holds, type PropertyCondition } from './property.js';

/**
 * How a property that decides about others gets the value that counts, here and in forms and validators:
 * of the rows for it the first that applies; where none does, the written value counts.
 */
export interface Derivation {
  /** Written values it is for; '' stands for none. */
  readonly of: readonly string[];
  /** Applies where one of these is given, */
  readonly given?: readonly PropertyName[];
  /** none of these is, */
  readonly absent?: readonly PropertyName[];
  /** and what was derived before is this. */
  readonly with?: PropertyCondition;
  readonly value: string;
}

/** What can prove an application. */
export const CREDENTIALS: readonly PropertyName[] = [
  'OAuthClientSecret',
  'OAuthJWTCert',
  'OAuthClientAssertion',
];

/** By deciding property, in the order in which they are derived. */
export const DERIVATIONS = {
  AuthScheme: [
    { of: [''], given: ['OAuthIssuer', 'OAuthAccessTokenURL'], value: 'OAuthClient' },
    {
      of: ['', 'AzureAD', 'AzureServicePrincipal'],
      given: ['OAuthJWTCert'],
      value: 'AzureServicePrincipalCert',
    },
    { of: ['', 'AzureAD'], given: ['OAuthClientSecret'], value: 'AzureServicePrincipal' },
    { of: ['', 'AzureAD'], given: ['OAuthClientAssertion'], value: 'AzureWorkloadIdentity' },
    { of: ['AzureAD'], value: 'AzureServicePrincipal' },
    { of: [''], given: ['OAuthAccessToken'], value: 'OAuthToken' },
    { of: [''], given: ['Password'], absent: ['AzureTenant', 'OAuthClientId'], value: 'Password' },
    { of: [''], value: 'AzureServicePrincipal' },
  ],
  InitiateOAuth: [
    { of: [''], with: { AuthScheme: ['OAuthToken'] }, value: 'OFF' },
    { of: [''], with: { AuthScheme: ['AzureMSI'] }, value: 'GETANDREFRESH' },
    { of: [''], given: ['OAuthAccessToken'], absent: CREDENTIALS, value: 'OFF' },
    { of: [''], value: 'GETANDREFRESH' },
  ],
  OAuthGrantType: [{ of: [''], value: 'CLIENT' }],
  FirewallType: [{ of: [''], value: 'NONE' }],
  UseSSH: [{ of: [''], value: 'false' }],
  SSHAuthMode: [{ of: [''], value: 'Password' }],
} as const satisfies Record<string, readonly Derivation[]>;

export type Decider = keyof typeof DERIVATIONS;

/** What came of a derivation, and the property whose presence decided it. */
export interface Derived {
  readonly value: string;
  readonly by: PropertyName | undefined;
}

/**
 * The value of `decider` that counts, where `written` is what was written (undefined: nothing),
 * `has` tells what is given, and `before` holds what was derived before.
 */
export function derive(
  decider: Decider,
  written: string | undefined,
  has: (name: PropertyName) => boolean,
  before: Readonly<Record<string, string>> = {},
): Derived {
  for (const row of DERIVATIONS[decider] as readonly Derivation[]) {
    const { of, given = [], absent = [], with: condition = {}, value } = row;
    const by = given.find(has);
    const applies = of.includes(written ?? '') && (given.length === 0 || by !== undefined);
    if (applies && !absent.some(has) && holds(condition, before)) return { value, by };
  }
  return { value: written ?? '', by: undefined };
}
