import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '#sandbox/index.js';
import { issuedTokens, tokenRequestsIn } from './authority-facts.js';
import { exchange, type Exchange } from './exchange.js';
import type { NodeRed } from './node-red.js';
import { renewalFacts, type RenewalFacts, type RenewalLog } from './renewal-facts.js';

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
  control.clearLogins();
  const startedAt = performance.now();
  const answers: Exchange[] = [];
  const roundEnds: number[] = [];
  let revokedToken: string | undefined;
  for (let round = 0; round < ROUNDS; round += 1) {
    const issuedBefore = issuedTokens(control.requests()).length;
    const nextRound = sleep(ROUND_MS);
    answers.push(...(await sendRound(nodeRed, round)));
    roundEnds.push(Date.now());
    await nextRound;
    const issued = issuedTokens(control.requests());
    if (revokedToken === undefined && round >= 2 && issued.length > issuedBefore) {
      revokedToken = issued.at(-1);
      control.revoke('all');
    }
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const log = { answers, roundEnds, requests: control.requests(), logins: control.logins(), revokedToken };
  const facts = renewalFacts(log);
  return { facts, rows: facts.answersToTheirOwnMessage, story: storyOf(log, facts, seconds) };
}

function sendRound(nodeRed: NodeRed, round: number): Promise<Exchange[]> {
  const first = round * MESSAGES_PER_ROUND + 1;
  return Promise.all(
    Array.from({ length: MESSAGES_PER_ROUND }, (_, index) =>
      exchange(nodeRed, `GET /renewal?message=${String(first + index)}`),
    ),
  );
}

function storyOf({ answers, requests, logins }: RenewalLog, facts: RenewalFacts, seconds: number): string {
  const opened = logins.filter(({ outcome }) => outcome === 'accepted').length;
  return (
    `${String(answers.length)} messages in ${seconds.toFixed(1)} s, tokens live ${String(LIFE_SECONDS)} s: ` +
    `${String(opened)} sessions opened with ${String(facts.tokensAccepted)} tokens from ` +
    `${String(tokenRequestsIn(requests).length)} requests; ` +
    `${String(facts.loginsRefusedWithTheRevokedToken)} logins refused with the revoked token, ` +
    `which forced ${String(facts.tokenRequestsForcedByRevocation)} of these requests`
  );
}
