import type { AuthorityRequest } from '#sandbox/authority/request-log.js';
import type { GateLogin } from '#sandbox/gate/login-log.js';
import { tokenRequestsIn } from './authority-facts.js';
import type { Exchange } from './exchange.js';

/** What the runner and the logs of authority and login gate hold after the rounds of sample 03. */
export interface RenewalLog {
  /** In the order in which the messages were sent, from message 1. */
  readonly answers: readonly Exchange[];
  /** When the answers of each round were in, ms since the epoch. */
  readonly roundEnds: readonly number[];
  readonly requests: readonly AuthorityRequest[];
  readonly logins: readonly GateLogin[];
  /** Id of the token that was in use when all were revoked. */
  readonly revokedToken: string | undefined;
}

/** What sample 03 is about, counted in one run. */
export interface RenewalFacts {
  readonly answersToTheirOwnMessage: number;
  /** Failures, and answers to another message. */
  readonly otherAnswers: number;
  /** Role that the messages were answered as; all of them, where they differ. */
  readonly role: string;
  /** Tokens that a session was opened with. */
  readonly tokensAccepted: number;
  readonly tokenRequestsForcedByRevocation: number;
  readonly loginsRefusedWithTheRevokedToken: number;
  readonly otherLoginsRefused: number;
  readonly sessionsPerTokenRequest: number;
}

/** The facts in `log`. */
export function renewalFacts(log: RenewalLog): RenewalFacts {
  const { answers, requests, logins, revokedToken } = log;
  const own = answers.filter(({ status, answer }, index) => status === 200 && isAnswerTo(index + 1, answer));
  const accepted = logins.filter(({ outcome }) => outcome === 'accepted');
  const refused = logins.filter(({ outcome }) => outcome !== 'accepted');
  const revoked = refused.filter(({ tokenId }) => tokenId !== undefined && tokenId === revokedToken);
  return {
    answersToTheirOwnMessage: own.length,
    otherAnswers: answers.length - own.length,
    role: [...new Set(own.flatMap(({ answer }) => (answer as Row[]).map(({ role }) => role)))].join(', '),
    tokensAccepted: new Set(accepted.map(({ tokenId }) => tokenId)).size,
    tokenRequestsForcedByRevocation: forcedRequests(log).length,
    loginsRefusedWithTheRevokedToken: revoked.length,
    otherLoginsRefused: refused.length - revoked.length,
    sessionsPerTokenRequest: accepted.length / tokenRequestsIn(requests).length,
  };
}

/**
 * Token requests that the revocation caused: all from the first refusal of the revoked token until
 * the last login of that round was accepted. Logins that share one renewal make it one.
 */
function forcedRequests({
  roundEnds,
  requests,
  logins,
  revokedToken,
}: Omit<RenewalLog, 'answers'>): AuthorityRequest[] {
  const refusal = logins.find(
    ({ outcome, tokenId }) => outcome === 'refused' && tokenId !== undefined && tokenId === revokedToken,
  );
  if (!refusal) return [];
  const roundEnd = roundEnds.find((end) => end >= refusal.at) ?? Infinity;
  const retried = logins.filter(
    ({ outcome, at }) => outcome === 'accepted' && at >= refusal.at && at <= roundEnd,
  );
  const lastRetried = Math.max(refusal.at, ...retried.map(({ at }) => at));
  return tokenRequestsIn(requests).filter(({ at }) => at >= refusal.at && at <= lastRetried);
}

interface Row {
  readonly role: unknown;
  readonly message: unknown;
}

function isAnswerTo(message: number, answer: unknown): boolean {
  return Array.isArray(answer) && answer.length === 1 && (answer as Row[])[0]?.message === message;
}
