import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AuthorityRequest } from '#sandbox/authority/request-log.js';
import type { GateLogin } from '#sandbox/gate/login-log.js';
import type { Sandbox } from '#sandbox/index.js';
import { authorityFacts } from '#samples/runner/authority-facts.js';
import type { Exchange } from '#samples/runner/exchange.js';
import type { NodeRed } from '#samples/runner/node-red.js';
import { OpenParts } from '#samples/runner/open-parts.js';
import { renewalFacts, type RenewalLog } from '#samples/runner/renewal-facts.js';
import { runSample } from '#samples/runner/run-sample.js';
import { readSamples, type Sample } from '#samples/runner/sample.js';

type Credential = 'secret' | 'certificate';

const tokenRequest = (at: number, tokenId?: string, credential: Credential = 'secret'): AuthorityRequest => ({
  at,
  method: 'POST',
  path: '/contoso.example/oauth2/v2.0/token',
  kind: 'token',
  status: tokenId === undefined ? 401 : 200,
  grant: { credential, ...(tokenId !== undefined && { tokenId }) },
});
const discovery = (at: number): AuthorityRequest => ({
  at,
  method: 'GET',
  path: '/contoso.example/v2.0/.well-known/openid-configuration',
  kind: 'discovery',
  status: 200,
});
const login = (at: number, outcome: GateLogin['outcome'], tokenId: string): GateLogin => ({
  at,
  role: 'flow_reader',
  database: 'flows',
  outcome,
  tokenId,
  encrypted: true,
  passwordReceived: true,
});
const answerTo = (message: number): Exchange => ({
  request: `GET /renewal?message=${String(message)}`,
  status: 200,
  answer: [{ role: 'flow_reader', message }],
});

/** Three rounds of six messages; all tokens are revoked after the first, which makes `forced` token requests. */
function renewalLog(forced: number): RenewalLog {
  const six = [0, 1, 2, 3, 4, 5];
  const retriedWith = (index: number): string => `t${String(2 + Math.min(index, Math.max(forced - 1, 0)))}`;
  return {
    answers: Array.from({ length: 18 }, (_, index) => answerTo(index + 1)),
    roundEnds: [1_300, 2_300, 3_300],
    revokedToken: 't1',
    requests: [
      discovery(1_000),
      tokenRequest(1_010, 't1'),
      ...six.slice(0, forced).map((index) => tokenRequest(2_030 + index, retriedWith(index))),
      // Ahead of time, after the round of the revocation.
      tokenRequest(2_900, 't9'),
    ],
    logins: [
      ...six.map((index) => login(1_050 + index, 'accepted', 't1')),
      ...six.map((index) => login(2_010 + index, 'refused', 't1')),
      ...six.map((index) => login(2_060 + index, 'accepted', retriedWith(index))),
      ...six.map((index) => login(3_050 + index, 'accepted', 't9')),
    ],
  };
}

describe('sample 03, judged by the logs', () => {
  for (const forced of [0, 1, 6]) {
    it(`counts ${String(forced)} token requests that the revocation forced`, () => {
      expect(renewalFacts(renewalLog(forced)).tokenRequestsForcedByRevocation).to.equal(forced);
    });
  }

  it('finds all facts of a good run', () => {
    expect(renewalFacts(renewalLog(1))).to.deep.equal({
      answersToTheirOwnMessage: 18,
      otherAnswers: 0,
      role: 'flow_reader',
      tokensAccepted: 3,
      tokenRequestsForcedByRevocation: 1,
      loginsRefusedWithTheRevokedToken: 6,
      otherLoginsRefused: 0,
      sessionsPerTokenRequest: 6,
    });
  });

  it('counts nothing as forced when no revoked token was refused', () => {
    const log = { ...renewalLog(1), revokedToken: undefined };
    expect(renewalFacts(log)).to.include({
      tokenRequestsForcedByRevocation: 0,
      loginsRefusedWithTheRevokedToken: 0,
      otherLoginsRefused: 6,
    });
  });

  it('counts a request that failed among the forced ones', () => {
    const log = renewalLog(1);
    const requests = [...log.requests, tokenRequest(2_040)];
    expect(renewalFacts({ ...log, requests }).tokenRequestsForcedByRevocation).to.equal(2);
  });

  it('tells an answer to another message, a failure and an empty answer from a good one', () => {
    const log = renewalLog(1);
    const failed = { ...answerTo(1), status: 500 };
    const answers = [answerTo(2), answerTo(1), failed, { ...answerTo(4), answer: [] }, answerTo(5)];
    expect(renewalFacts({ ...log, answers })).to.include({ answersToTheirOwnMessage: 1, otherAnswers: 4 });
  });

  it('counts the tokens that sessions were opened with', () => {
    const log = renewalLog(1);
    const logins = log.logins.filter(({ tokenId }) => tokenId === 't1');
    expect(renewalFacts({ ...log, logins }).tokensAccepted).to.equal(1);
  });
});

describe('what the authority saw of a sample', () => {
  it('is no credential without a token request', () => {
    const nothing = { credential: 'none', tokenRequests: 0, failedTokenRequests: 0 };
    expect(authorityFacts([discovery(1)])).to.deep.equal(nothing);
  });

  it('is each kind of credential, and the requests that failed', () => {
    const requests = [discovery(1), tokenRequest(2), tokenRequest(3, 't1', 'certificate')];
    const facts = { credential: 'certificate, secret', tokenRequests: 2, failedTokenRequests: 1 };
    expect(authorityFacts(requests)).to.deep.equal(facts);
  });

  const sample: Sample = {
    name: '09-test',
    flows: [],
    expected: {
      authority: { credential: 'certificate', tokenRequests: 1, failedTokenRequests: 0 },
      exchanges: [{ request: 'GET /x', status: 200, answer: [1] }],
    },
  };
  const resultWith = async (requests: readonly AuthorityRequest[]): Promise<string | undefined> => {
    const control = { clearRequests: () => undefined, requests: () => requests };
    const nodeRed = { call: async () => new Response('[1]') } as unknown as NodeRed;
    const result = await runSample(sample, nodeRed, { control } as unknown as Sandbox);
    return result.difference;
  };

  it('is compared with what the sample expects', async () => {
    const good = tokenRequest(1, 't1', 'certificate');
    expect(await resultWith([good])).to.equal(undefined);
    expect(await resultWith([])).to.contain('.authority.credential');
    expect(await resultWith([tokenRequest(1, 't1', 'secret')])).to.contain('.authority.credential');
    expect(await resultWith([good, good])).to.contain('.authority.tokenRequests');
    expect(await resultWith([good, tokenRequest(2, undefined, 'certificate')])).to.contain(
      '.authority.failedTokenRequests',
    );
  });
});

describe('reading of samples', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pg-entra-samples-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const write = (expected: unknown): void => {
    mkdirSync(join(folder, '01-test'));
    writeFileSync(join(folder, '01-test/node-red.json'), '[]');
    writeFileSync(join(folder, '01-test/expected.json'), JSON.stringify(expected));
  };
  const authority = { credential: 'secret', tokenRequests: 1, failedTokenRequests: 0 };

  it('fails where there is none', () => {
    expect(() => readSamples(folder)).to.throw('there is no sample in');
  });

  for (const expected of [[], {}, { authority }, { authority, exchanges: [] }, { authority, facts: {} }]) {
    it(`fails where one expects nothing: ${JSON.stringify(expected)}`, () => {
      write(expected);
      expect(() => readSamples(folder)).to.throw('01-test/expected.json expects nothing');
    });
  }

  it('takes a sample that expects something', () => {
    const expected = { authority, exchanges: [{ request: 'GET /x', status: 200, answer: 1 }] };
    write(expected);
    expect(readSamples(folder)).to.deep.equal([{ name: '01-test', flows: [], expected }]);
  });
});

describe('closing of open parts', () => {
  const closed: string[] = [];
  const closer = (name: string, problem?: string) => async (): Promise<void> => {
    closed.push(name);
    if (problem !== undefined) throw new Error(problem);
  };
  const failureOf = (work: Promise<void>): Promise<string | undefined> =>
    work.then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
  beforeEach(() => {
    closed.length = 0;
  });

  it('closes every part, last opened first, and fails with the first failure', async () => {
    const parts = new OpenParts();
    await parts.add(closer('sandbox'));
    await parts.add(closer('second', 'second failed'));
    await parts.add(closer('Node-RED', 'Node-RED failed'));
    expect(await failureOf(parts.close())).to.equal('Node-RED failed');
    expect(closed).to.deep.equal(['Node-RED', 'second', 'sandbox']);
    await parts.close();
    expect(closed).to.have.length(3);
  });

  it('closes at once what is opened afterwards', async () => {
    const parts = new OpenParts();
    await parts.close();
    expect(await failureOf(parts.add(closer('late')))).to.equal('interrupted');
    expect(closed).to.deep.equal(['late']);
  });
});
