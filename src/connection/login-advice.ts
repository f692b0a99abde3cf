import type { BearerDemand } from './oauth-bearer.js';

/**
 * What helps against a refused token, by the words that Azure Database for PostgreSQL and PgBouncer
 * have for it: they share SQLSTATEs, so the code of the error does not depend on them.
 */
const ADVICE: readonly (readonly [words: RegExp, advice: string])[] = [
  [
    /token has expired/i,
    'the token is over: a new one was tried if we may request one (a token of your own must be renewed by you), so compare the clock of this machine',
  ],
  [
    /audience/i,
    'the token was made for another resource: leave Scope empty, or set it to the resource that the server names, followed by /.default',
  ],
  [
    /invalid format/i,
    'the token arrived damaged: OAuthAccessToken must be the token exactly as it was issued, without quotes and without "Bearer"',
  ],
  [
    /AAD_AUTH_TOKENTYPE|neither an? .* token/i,
    'the role was created for a user, a group or another principal: create it with the type "service" and the object id of the enterprise application (not of the app registration)',
  ],
  [
    /error occurred while validating|issuer|tenant/i,
    'the token is of another tenant or cloud, or no access token at all: set AzureTenant to the tenant of the server',
  ],
  [
    /partial pkt|packet|too (long|large)/i,
    'the token is too long for the pooler before the server: connect to the server itself (port 5432), or let the application be in fewer groups',
  ],
  [
    /selected a database/i,
    'this is a known fault of some Azure servers with PostgreSQL 18, not of the token: ask for the maintenance update of the server',
  ],
];

/** What helps, by what the server said of a token, where that is known; fits behind a comma. */
export function refusalAdvice(serverMessage: string): string | undefined {
  return ADVICE.find(([words]) => words.test(serverMessage))?.[1];
}

/** What helps, by what a server wants that refused a token by OAUTHBEARER; fits behind a comma. */
export function demandAdvice({ scope, configuration }: BearerDemand): string {
  const wanted = [
    ...(scope === undefined ? [] : [`for the scope "${scope}"`]),
    ...(configuration === undefined ? [] : [`of the authority with the configuration ${configuration}`]),
  ];
  if (wanted.length === 0) return 'the token is not one that it takes; its log says why';
  return `it wants a token ${wanted.join(' ')}: compare Scope, and AzureTenant or OAuthIssuer; its log says more`;
}
