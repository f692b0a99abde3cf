import { setTimeout as sleep } from 'node:timers/promises';
import type { AuthorityRequest } from '#sandbox/authority/request-log.js';
import type { GateLogin } from '#sandbox/gate/login-log.js';
import type { Sandbox } from '#sandbox/index.js';
import { exchange } from './exchange.js';
import type { NodeRed } from './node-red.js';

/** What sample 03 is about, as facts that hold in every run. */
export interface RenewalFacts {
  readonly messages: number;
  readonly failedMessages: number;
  readonly role: unknown;
  readonly tokenLivesPassedAtLeast3: boolean;
  /** Token requests that did not issue a token. */
  readonly failedTokenRequests: number;
  /** Requests that followed the refusal of a token at the gate. */
  readonly tokenRequestsForcedByRevocation: number;
  /** `only with the revoked token`, or how many with which. */
  readonly loginsRefused: string;
  readonly sessionsAtLeast4TimesTokenRequests: boolean;
}

/** The facts, and the numbers of this one run behind them. */
export interface RenewalRun {
  readonly facts: RenewalFacts;
  readonly rows: number;
  readonly story: string;
}

const LIFE_SECONDS = 4;
const ROUNDS = 9;
/** Longer than PoolIdleTimeout of the sample, so that each round finds no session. */
const ROUND_MS = 1_450;
const MESSAGES_PER_ROUND = 6;

/**
 * Sends rounds of messages while tokens live four seconds; once, right after a token was renewed,
 * revokes every token issued so far, so that no other reason asks for a new one at that moment.
 */
export async function runRenewal(nodeRed: NodeRed, sandbox: Sandbox): Promise<RenewalRun> {
  const { control } = sandbox;
  control.setTokenLifetime(LIFE_SECONDS);
  control.clearRequests();
  control.clearLogins();
  const startedAt = Date.now();
  const answers: Awaited<ReturnType<typeof exchange>>[] = [];
  let revokedToken: string | undefined;
  for (let round = 0; round < ROUNDS; round += 1) {
    const issuedBefore = tokensOf(control.requests()).length;
    const roundEnd = sleep(ROUND_MS);
    const messages = Array.from({ length: MESSAGES_PER_ROUND }, (_, index) =>
      exchange(nodeRed, `GET /renewal?message=${String(round * MESSAGES_PER_ROUND + index + 1)}`),
    );
    answers.push(...(await Promise.all(messages)));
    await roundEnd;
    const issued = tokensOf(control.requests());
    if (revokedToken === undefined && round >= 2 && issued.length > issuedBefore) {
      revokedToken = issued.at(-1);
      control.revoke('all');
    }
  }
  const seconds = (Date.now() - startedAt) / 1_000;
  return summarise(answers, seconds, revokedToken, control.requests(), control.logins());
}

function tokensOf(requests: readonly AuthorityRequest[]): string[] {
  return requests.flatMap(({ grant }) => (grant?.tokenId === undefined ? [] : [grant.tokenId]));
}

function summarise(
  answers: readonly Awaited<ReturnType<typeof exchange>>[],
  seconds: number,
  revokedToken: string | undefined,
  requests: readonly AuthorityRequest[],
  logins: readonly GateLogin[],
): RenewalRun {
  const tokenRequests = requests.filter(({ kind }) => kind === 'token');
  const opened = logins.filter(({ outcome }) => outcome === 'accepted');
  const refused = logins.filter(({ outcome }) => outcome !== 'accepted');
  const forced = forcedRequests(tokenRequests, logins);
  const rows = answers.flatMap(({ answer }) =>
    Array.isArray(answer) ? (answer as { role?: unknown }[]) : [],
  );
  const strangers = refused.filter(({ tokenId }) => tokenId !== revokedToken);
  const facts: RenewalFacts = {
    messages: answers.length,
    failedMessages: answers.filter(({ status }) => status !== 200).length,
    role: [...new Set(rows.map(({ role }) => role))].join(', '),
    tokenLivesPassedAtLeast3: seconds >= 3 * LIFE_SECONDS,
    failedTokenRequests: tokenRequests.length - tokensOf(tokenRequests).length,
    tokenRequestsForcedByRevocation: forced.length,
    loginsRefused:
      refused.length > 0 && strangers.length === 0
        ? 'only with the revoked token'
        : `${String(refused.length)}, of which ${String(strangers.length)} with another token`,
    sessionsAtLeast4TimesTokenRequests: opened.length >= 4 * tokenRequests.length,
  };
  const story =
    `${String(answers.length)} messages in ${seconds.toFixed(1)} s, tokens live ${String(LIFE_SECONDS)} s: ` +
    `${String(opened.length)} sessions opened with ${String(tokenRequests.length)} token requests, ` +
    `${String(refused.length)} logins refused with the revoked token, which forced ${String(forced.length)} of these requests`;
  return { facts, rows: rows.length, story };
}

/**
 * Token requests that a refusal caused: the first one after the first refusal of each token.
 */
function forcedRequests(
  tokenRequests: readonly AuthorityRequest[],
  logins: readonly GateLogin[],
): AuthorityRequest[] {
  const firstRefusals = new Map<string, GateLogin>();
  for (const login of logins.filter(({ outcome }) => outcome === 'refused')) {
    const { tokenId = '' } = login;
    if (!firstRefusals.has(tokenId)) firstRefusals.set(tokenId, login);
  }
  const caused = [...firstRefusals.values()].map(({ at }) =>
    tokenRequests.find((request) => request.at >= at),
  );
  return [...new Set(caused.filter((request) => request !== undefined))];
}
