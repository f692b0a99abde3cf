import type { AuthorityRequest } from '#sandbox/authority/request-log.js';

/** What the authority saw of a sample. */
export interface AuthorityFacts {
  /** Kinds of credential that came with token requests, `secret` or `certificate`; `none` without any. */
  readonly credential: string;
  readonly tokenRequests: number;
  /** Token requests that did not issue a token. */
  readonly failedTokenRequests: number;
}

/** The facts in the log of the authority. */
export function authorityFacts(requests: readonly AuthorityRequest[]): AuthorityFacts {
  const tokenRequests = tokenRequestsIn(requests);
  const kinds = new Set(tokenRequests.map(({ grant }) => grant?.credential ?? 'none'));
  return {
    credential: kinds.size === 0 ? 'none' : [...kinds].sort().join(', '),
    tokenRequests: tokenRequests.length,
    failedTokenRequests: tokenRequests.length - issuedTokens(requests).length,
  };
}

/** The requests for a token among `requests`. */
export function tokenRequestsIn(requests: readonly AuthorityRequest[]): AuthorityRequest[] {
  return requests.filter(({ kind }) => kind === 'token');
}

/** Ids of the tokens that were issued, oldest first. */
export function issuedTokens(requests: readonly AuthorityRequest[]): string[] {
  return requests.flatMap(({ grant }) => (grant?.tokenId === undefined ? [] : [grant.tokenId]));
}
