import { expect } from 'chai';
import { backoff, retryAfterMs, withRetries } from '#src/auth/retry.js';
import { startBudget } from '#src/clock.js';
import { ConnectorError } from '#src/errors.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';

const NOW = Date.UTC(2026, 10, 21);
const outage = (retryAfter?: number): ConnectorError =>
  new ConnectorError('AUTHORITY_UNAVAILABLE', { host: 'a', status: 503 }, { retryAfterMs: retryAfter });

describe('retries', () => {
  const HEADERS: readonly (readonly [header: string | undefined, expected: number | undefined])[] = [
    ['2', 2_000],
    [' 2 ', 2_000],
    ['0', 0],
    ['-7', 0],
    ['+5', 5_000],
    ['Sat, 21 Nov 2026 00:00:30 GMT', 30_000],
    ['sat, 21 nov 2026 00:00:30 gmt', 30_000],
    ['Saturday, 21-Nov-26 00:00:30 GMT', 30_000],
    ['Sat Nov 21 00:00:30 2026', 30_000],
    ['Sun Nov  1 00:00:30 2026', 0],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['Wed, 31 Dec 9999 23:59:59 GMT', 3_600_000],
    ['Sat, 99 Nov 2026 00:00:30 GMT', undefined],
    ['Sat, 21 Nov 2026 00:00:30', undefined],
    ['Sat, 21 Nov 2026 00:00:30 +0100', undefined],
    ['2026-11-21T00:00:30Z', undefined],
    ['Fri, 20 Nov 2026 00:00:00 GMT', 0],
    ['999999', 3_600_000],
    ['9'.repeat(400), 3_600_000],
    [`-${'9'.repeat(400)}`, 0],
    ['abc', undefined],
    ['abc 5', undefined],
    ['1.5', undefined],
    ['2, 5', undefined],
    ['0x10', undefined],
    ['NaN', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [header, expected] of HEADERS) {
    it(`T-02 reads Retry-After "${String(header).slice(0, 40)}" as ${String(expected)} ms`, () => {
      expect(retryAfterMs(header, NOW)).to.equal(expected);
    });
  }

  it('backs off exponentially with full jitter, at most 5 s', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map((attempt) => backoff(attempt, 1))).to.deep.equal([
      200, 400, 800, 1_600, 3_200, 5_000, 5_000,
    ]);
    expect(backoff(3, 0)).to.equal(0);
  });

  async function attempts(
    failures: readonly (Error | undefined)[],
    budgetMs = 0,
  ): Promise<{ made: number; clock: HastyClock; run: Promise<unknown> }> {
    const clock = new HastyClock();
    const state = { made: 0 };
    const run = withRetries({ clock, budget: startBudget(clock, budgetMs) }, () => {
      const error = failures[state.made];
      state.made += 1;
      return error === undefined ? Promise.resolve('done') : Promise.reject(error);
    });
    await run.catch(() => undefined);
    return { made: state.made, clock, run };
  }

  it('T-03 succeeds after two outages', async () => {
    const { made, run } = await attempts([outage(), outage()]);
    expect(await run).to.equal('done');
    expect(made).to.equal(3);
  });

  it('T-01 waits as long as it is asked to, and no longer', async () => {
    const { clock, run } = await attempts([outage(2_000)]);
    expect(await run).to.equal('done');
    expect(clock.waits).to.deep.equal([2_000]);
  });

  it('T-02 a wait of 0 is asked by one who does not know: it backs off', async () => {
    const { clock, run } = await attempts([outage(0), outage(0), outage(0)]);
    expect(await run).to.equal('done');
    expect(clock.waits).to.deep.equal([100, 200, 400]);
  });

  it('T-04 gives up after five attempts with the last error', async () => {
    const { made, run } = await attempts(Array.from({ length: 9 }, () => outage()));
    await failure(run, 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE');
    expect(made).to.equal(5);
  });

  it('T-02 does not begin a wait that would pass the budget', async () => {
    const { made, clock, run } = await attempts([outage(120_000)], 60_000);
    await failure(run, 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE');
    expect(made).to.equal(1);
    expect(clock.waits).to.deep.equal([]);
  });

  it('T-05 does not repeat what is final', async () => {
    const { made, run } = await attempts([new ConnectorError('WRONG_CLIENT_SECRET', {})]);
    await failure(run, 'POSTGRESQL:AUTHENTICATION', 'WRONG_CLIENT_SECRET');
    expect(made).to.equal(1);
  });

  it('stops waiting when its caller leaves', async () => {
    const leaving = new AbortController();
    const clock = new HastyClock();
    const run = withRetries(
      {
        clock,
        budget: startBudget(clock, 0),
        signal: leaving.signal,
        onRetry: () => leaving.abort(new ConnectorError('CANCELLED', {})),
      },
      () => Promise.reject(outage(40_000)),
    );
    await failure(run, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect(clock.waits).to.deep.equal([]);
  });
});
