import { expect } from 'chai';
import { renewalAgeMs, spacingMs, unusableTailMs } from '#src/auth/token-life.js';
import { createTokenSource, type ReadSuppliedToken, type TokenSource } from '#src/auth/token-source.js';
import { tokenOf, type AccessToken } from '#src/auth/access-token.js';
import type { TokenStore } from '#src/auth/token-store/index.js';
import { ConnectorError } from '#src/errors.js';
import { Secret } from '#src/settings/secret.js';
import { failure } from '../support/failure.js';
import { FakeClock, IdleClock, settle } from '../support/fake-clock.js';
import { silent } from '../support/log.js';
import { openStore } from './token-store/stores.js';

const HOUR = 3_600_000;

/** A token source over a scripted authority whose every answer the test decides. */
class Bench {
  readonly clock: FakeClock;
  requests = 0;
  lifetimeMs = HOUR;
  /** Decides the next answers; undefined answers at once with a token. */
  answer: (() => Promise<void>) | undefined;
  readonly source: TokenSource;

  /** Requests whose signal was aborted. */
  abandoned = 0;

  constructor(
    store = openStore('memory://'),
    supplied?: (clock: FakeClock) => ReadSuppliedToken,
    /** Renewals happen only when somebody asks, so that a test sees who caused them. */
    clock: FakeClock = new IdleClock(),
  ) {
    this.clock = clock;
    this.source = createTokenSource({
      supplied: supplied?.(this.clock),
      key: 'identity',
      store,
      clock: this.clock,
      diagnostics: silent,
      request: async (signal) => {
        this.requests += 1;
        signal.addEventListener('abort', () => (this.abandoned += 1));
        const serial = this.requests;
        if (this.answer) await Promise.race([this.answer(), aborted(signal)]);
        return { token: this.token(`token-${String(serial)}`) };
      },
    });
  }

  token(value: string): AccessToken {
    const now = this.clock.steadyMs();
    const { lifetimeMs } = this;
    return {
      value: new Secret(value),
      claims: undefined,
      lifetimeMs,
      obtainedAtMs: now,
      expiresAtMs: now + lifetimeMs,
      expiresAtWallMs: this.clock.wallMs() + lifetimeMs,
    };
  }

  async value(): Promise<string> {
    return (await this.source.get()).value.reveal();
  }

  /** What a caller gets without waiting; undefined if it would have to wait. */
  immediate(): string | undefined {
    const token = this.source.get();
    if (token instanceof Promise) {
      token.catch(() => undefined);
      return undefined;
    }
    return token.value.reveal();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

const unavailable = (): Promise<void> =>
  Promise.reject(new ConnectorError('AUTHORITY_UNAVAILABLE', { host: 'authority', status: 503 }));

describe('token source', () => {
  it('C-01 makes one request for 1,000 callers at a cold source', async () => {
    const bench = new Bench();
    const values = await Promise.all(Array.from({ length: 1_000 }, () => bench.value()));
    expect(new Set(values)).to.deep.equal(new Set(['token-1']));
    expect(bench.requests).to.equal(1);
  });

  it('gives a good token at once, without a promise', async () => {
    const bench = new Bench();
    await bench.value();
    expect(bench.immediate()).to.equal('token-1');
    expect(bench.requests).to.equal(1);
  });

  it('C-02 makes one request for 1,000 callers at the renewal point, and none of them waits', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.advance(0.7 * HOUR);
    let release = (): void => undefined;
    bench.answer = () => new Promise((resolve) => (release = resolve));
    const values = Array.from({ length: 1_000 }, () => bench.immediate());
    expect(new Set(values)).to.deep.equal(new Set(['token-1']));
    expect(bench.requests).to.equal(2);
    release();
    await settle();
    expect(bench.immediate()).to.equal('token-2');
  });

  it('C-03 gives all callers the same error, and that error again until a pause is over', async () => {
    const bench = new Bench();
    bench.answer = unavailable;
    const errors = await Promise.all(
      Array.from({ length: 100 }, () =>
        failure(bench.value(), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE'),
      ),
    );
    expect(new Set(errors).size).to.equal(1);
    await failure(bench.value(), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE');
    expect(bench.requests).to.equal(1);
    bench.answer = undefined;
    bench.clock.advance(5_000);
    expect(await bench.value()).to.equal('token-2');
  });

  it('C-04 lets one caller leave without disturbing the others', async () => {
    const bench = new Bench();
    let release = (): void => undefined;
    bench.answer = () => new Promise((resolve) => (release = resolve));
    const leaving = new AbortController();
    const first = Promise.resolve(bench.source.get(leaving.signal));
    const second = bench.value();
    leaving.abort(new ConnectorError('CANCELLED', {}));
    await failure(first, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    release();
    expect(await second).to.equal('token-1');
    expect(bench.requests).to.equal(1);
  });

  it('C-05 aborts the request when the last of its callers has left, and serves the next one', async () => {
    const bench = new Bench();
    bench.answer = () => new Promise(() => undefined);
    const leaving = [new AbortController(), new AbortController()];
    const waiting = leaving.map(({ signal }) =>
      failure(Promise.resolve(bench.source.get(signal)), 'POSTGRESQL:CANCELLED', 'CANCELLED'),
    );
    leaving[0]?.abort(new ConnectorError('CANCELLED', {}));
    await settle();
    expect(bench.abandoned).to.equal(0);
    leaving[1]?.abort(new ConnectorError('CANCELLED', {}));
    await Promise.all(waiting);
    expect(bench.abandoned).to.equal(1);
    expect(bench.source.health()).to.deep.equal({ state: 'none', obtained: 0, failed: 0 });
    bench.answer = undefined;
    expect(await bench.value()).to.equal('token-2');
  });

  it('C-05 does not abort a request that somebody without a signal waits for, nor a renewal ahead', async () => {
    const bench = new Bench();
    let release = (): void => undefined;
    bench.answer = () => new Promise((resolve) => (release = resolve));
    const leaving = new AbortController();
    const left = failure(
      Promise.resolve(bench.source.get(leaving.signal)),
      'POSTGRESQL:CANCELLED',
      'CANCELLED',
    );
    const staying = bench.value();
    leaving.abort(new ConnectorError('CANCELLED', {}));
    await left;
    release();
    expect(await staying).to.equal('token-1');
    bench.clock.advance(0.7 * HOUR);
    expect(bench.immediate()).to.equal('token-1'); // begins the renewal
    bench.clock.advance(0.3 * HOUR);
    const caller = new AbortController();
    const late = failure(
      Promise.resolve(bench.source.get(caller.signal)),
      'POSTGRESQL:CANCELLED',
      'CANCELLED',
    );
    caller.abort(new ConnectorError('CANCELLED', {}));
    await late;
    expect(bench.abandoned).to.equal(0);
    release();
    await settle();
    expect(bench.immediate()).to.equal('token-2');
  });

  it('C-05 serves a source whose request of another was abandoned', async () => {
    const store = openStore('memory://');
    const [owner, sharer] = [new Bench(store), new Bench(store)];
    owner.answer = () => new Promise(() => undefined);
    const leaving = new AbortController();
    const left = failure(
      Promise.resolve(owner.source.get(leaving.signal)),
      'POSTGRESQL:CANCELLED',
      'CANCELLED',
    );
    const served = sharer.value();
    leaving.abort(new ConnectorError('CANCELLED', {}));
    await left;
    expect(await served).to.equal('token-1');
  });

  it('C-06 renews between 50 and 75 % of a life', () => {
    expect(renewalAgeMs(HOUR, 0)).to.equal(0.5 * HOUR);
    expect(renewalAgeMs(HOUR, 1)).to.equal(0.75 * HOUR);
  });

  it('C-07 keeps the old token while renewals fail, tries again at most once a pause, and says so in health', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.advance(0.7 * HOUR);
    bench.answer = unavailable;
    for (let minute = 0; minute < 10; minute += 1) {
      expect(bench.immediate()).to.equal('token-1');
      await settle();
      bench.clock.advance(60_000);
    }
    expect(bench.requests).to.equal(11);
    const { state, failure: failing } = bench.source.health();
    expect(state).to.equal('valid');
    expect(failing?.code).to.equal('AUTHORITY_UNAVAILABLE');
    expect(failing?.since).to.match(/^2026-11-21T00:42/);
    bench.answer = undefined;
    bench.immediate();
    await settle();
    expect(bench.source.health().failure).to.equal(undefined);
  });

  it('C-08 fails only when the token is really unusable', async () => {
    const bench = new Bench();
    await bench.value();
    bench.answer = unavailable;
    bench.clock.advance(HOUR - unusableTailMs(HOUR) - 1);
    expect(bench.immediate()).to.equal('token-1');
    await settle();
    bench.clock.advance(10_000);
    await failure(bench.value(), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE');
  });

  describe('by itself', () => {
    it('C-06 renews ahead where nobody asks, again and again, and stops when it is closed', async () => {
      const bench = new Bench(undefined, undefined, new FakeClock());
      await bench.value();
      for (let hour = 0; hour < 24; hour += 1) {
        bench.clock.advance(HOUR / 2);
        await settle();
        bench.clock.advance(HOUR / 2);
        await settle();
        expect(bench.source.health().state).to.equal('valid');
      }
      expect(bench.requests).to.be.within(25, 50);
      bench.source.close();
      expect(bench.clock.pendingTimers).to.equal(0);
    });

    it('rests on request, and plans again with the next caller', async () => {
      const bench = new Bench(undefined, undefined, new FakeClock());
      await bench.value();
      bench.source.rest();
      expect(bench.clock.pendingTimers).to.equal(0);
      bench.clock.advance(0.9 * HOUR);
      await settle();
      expect(bench.requests).to.equal(1);
      expect(bench.immediate()).to.equal('token-1');
      await settle();
      expect(bench.requests).to.equal(2);
      expect(bench.clock.pendingTimers).to.equal(1);
      bench.source.close();
    });

    it('plans nothing while it rests, whatever becomes of the request that runs', async () => {
      for (const answer of [undefined, () => Promise.reject(new ConnectorError('WRONG_CLIENT_SECRET', {}))]) {
        const bench = new Bench(undefined, undefined, new FakeClock());
        await bench.value();
        bench.answer = answer;
        bench.clock.advance(0.7 * HOUR);
        bench.source.rest();
        await settle();
        expect(bench.requests).to.equal(2);
        expect(bench.clock.pendingTimers).to.equal(0);
        bench.source.close();
      }
    });

    it('C-07 T-34 tries again by itself after a failure, rarely where somebody has to mend something, and not after the end', async () => {
      const bench = new Bench(undefined, undefined, new FakeClock());
      await bench.value();
      bench.answer = () => Promise.reject(new ConnectorError('WRONG_CLIENT_SECRET', {}));
      for (let minute = 0; minute < 180; minute += 1) {
        bench.clock.advance(60_000);
        await settle();
      }
      expect(bench.requests).to.be.within(3, 4);
      expect(bench.clock.pendingTimers).to.equal(0);
      bench.source.close();
    });
  });

  it('C-09 keeps a renewal out that ends before the token in use', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.advance(0.7 * HOUR);
    bench.lifetimeMs = 60_000;
    expect(bench.immediate()).to.equal('token-1');
    await settle();
    expect(bench.immediate()).to.equal('token-1');
    expect(bench.source.health().failure?.code).to.equal('TOKEN_RESPONSE_MALFORMED');
    bench.clock.advance(0.29 * HOUR);
    expect(await bench.value()).to.equal('token-3');
  });

  it('C-09 takes a short-lived token where the server refused the one in use', async () => {
    const bench = new Bench();
    const refused = await bench.source.get();
    bench.lifetimeMs = 60_000;
    expect(bench.source.reject(refused)).to.equal(true);
    expect(await bench.value()).to.equal('token-2');
  });

  it('C-09 knows the refused token by its value: a store may give it as another object', async () => {
    const bench = new Bench();
    const refused = await bench.source.get();
    bench.lifetimeMs = 60_000;
    expect(bench.source.reject({ ...refused })).to.equal(true);
    expect(await bench.value()).to.equal('token-2');
  });

  it('T-34 works to the end of the token when the secret was revoked, and says before that renewing fails', async () => {
    const bench = new Bench();
    await bench.value();
    bench.answer = () => Promise.reject(new ConnectorError('WRONG_CLIENT_SECRET', {}));
    bench.clock.advance(0.76 * HOUR);
    expect(bench.immediate()).to.equal('token-1');
    await settle();
    const { state, failure: failing } = bench.source.health();
    expect(state).to.equal('valid');
    expect(failing).to.include({ code: 'WRONG_CLIENT_SECRET', since: '2026-11-21T00:45:36.000Z' });
    bench.clock.advance(0.24 * HOUR);
    await failure(bench.value(), 'POSTGRESQL:AUTHENTICATION', 'WRONG_CLIENT_SECRET');
  });

  it('C-15 makes one request per token in 30 days of one-hour lives, without a gap', async () => {
    const bench = new Bench();
    let gaps = 0;
    await bench.value();
    for (let minute = 0; minute < 30 * 24 * 60; minute += 1) {
      bench.clock.advance(60_000);
      if (bench.immediate() === undefined) gaps += 1;
      if (bench.source.health().state === 'renewing') await settle();
    }
    expect(gaps).to.equal(0);
    expect(bench.source.health().obtained).to.equal(bench.requests);
    expect(bench.requests).to.be.within((30 * 24) / 0.75 - 1, (30 * 24) / 0.5 + 1);
  });

  it('C-15 has no gap in a year of one-hour lives while every fifth request fails, with at most 1.3 requests a token', async () => {
    const bench = new Bench();
    await bench.value();
    let seed = 1;
    const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    bench.answer = () => (chance() < 0.2 ? unavailable() : Promise.resolve());
    let gaps = 0;
    for (let minute = 0; minute < 365 * 24 * 60; minute += 1) {
      bench.clock.advance(60_000);
      bench.clock.chance = chance();
      if (bench.immediate() === undefined) gaps += 1;
      if (bench.source.health().state === 'renewing') await settle();
    }
    const { obtained, failed } = bench.source.health();
    expect(gaps).to.equal(0);
    expect(obtained).to.be.greaterThan((365 * 24) / 0.76);
    expect(failed / bench.requests).to.be.within(0.15, 0.25);
    expect(bench.requests / obtained).to.be.at.most(1.3);
  }).timeout(60_000);

  it('T-02 waits as long as the authority asks before it renews again, and only a minute where a token is needed', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.advance(0.5 * HOUR + 0.25 * HOUR);
    bench.answer = () =>
      Promise.reject(new ConnectorError('AUTHORITY_THROTTLED', { host: 'a' }, { retryAfterMs: 600_000 }));
    bench.immediate();
    await settle();
    expect(bench.source.health().failure?.retryInSeconds).to.equal(60);
    bench.clock.advance(599_000);
    bench.immediate();
    await settle();
    expect(bench.requests).to.equal(2);
    bench.clock.advance(2_000);
    bench.answer = undefined;
    bench.immediate();
    await settle();
    expect(bench.requests).to.equal(3);
  });

  describe('with a token of the user (InitiateOAuth=REFRESH)', () => {
    const supplied =
      (isAgeKnown: boolean, leftMs = HOUR) =>
      (clock: FakeClock): ReadSuppliedToken => ({
        token: tokenOf(new Secret('supplied'), undefined, leftMs, clock),
        isAgeKnown,
      });

    it('uses it until its renewal, and then its own', async () => {
      const bench = new Bench(undefined, supplied(true));
      expect(bench.immediate()).to.equal('supplied');
      bench.clock.advance(0.76 * HOUR);
      expect(bench.immediate()).to.equal('supplied');
      await settle();
      expect(bench.immediate()).to.equal('token-1');
    });

    it('renews at once where its age is unknown', async () => {
      const bench = new Bench(undefined, supplied(false));
      expect(bench.immediate()).to.equal(undefined);
      expect(await bench.value()).to.equal('token-1');
    });

    it('renews at once where it has expired', async () => {
      const bench = new Bench(undefined, supplied(true, -1_000));
      expect(await bench.value()).to.equal('token-1');
    });

    it('C-17 replaces it when the server refuses it', async () => {
      const bench = new Bench(undefined, supplied(true));
      expect(bench.source.reject(await bench.source.get())).to.equal(true);
      expect(await bench.value()).to.equal('token-1');
    });
  });

  for (const seconds of [1, 10, 60]) {
    it(`C-16 T-20 does not run hot with lives of ${String(seconds)} s`, async () => {
      const bench = new Bench();
      bench.lifetimeMs = seconds * 1_000;
      const steps = 1_000;
      const stepMs = bench.lifetimeMs / 100;
      for (let step = 0; step < steps; step += 1) {
        await bench.value();
        bench.clock.advance(stepMs);
        await settle();
      }
      const lives = (steps * stepMs) / bench.lifetimeMs;
      expect(bench.requests).to.be.within(lives, lives * 2 + 1);
      expect(bench.requests).to.be.at.most((steps * stepMs) / spacingMs(bench.lifetimeMs) + 1);
    });
  }

  it('C-17 C-19 replaces a rejected token once for 100 callers who report it', async () => {
    const bench = new Bench();
    const refused = await bench.source.get();
    bench.clock.advance(10 * 60_000);
    const verdicts = Array.from({ length: 100 }, () => bench.source.reject(refused));
    expect(verdicts.every(Boolean)).to.equal(true);
    const values = await Promise.all(Array.from({ length: 100 }, () => bench.value()));
    expect(new Set(values)).to.deep.equal(new Set(['token-2']));
    expect(bench.requests).to.equal(2);
    expect(bench.source.reject(refused)).to.equal(true);
    expect(bench.immediate()).to.equal('token-2');
  });

  it('C-18 does not replace a replacement that is refused at once', async () => {
    const bench = new Bench();
    bench.source.reject(await bench.source.get());
    const replacement = await bench.source.get();
    expect(bench.source.reject(replacement)).to.equal(false);
    expect(bench.immediate()).to.equal('token-2');
    bench.clock.advance(spacingMs(HOUR));
    expect(bench.source.reject(replacement)).to.equal(true);
  });

  it("C-07 a token that one identity's server refused stays in use for others who share it", async () => {
    const store = openStore('memory://');
    const [refused, served] = [new Bench(store), new Bench(store)];
    const token = await refused.source.get();
    refused.clock.advance(60_000);
    refused.answer = unavailable;
    expect(refused.source.reject(token)).to.equal(true);
    await failure(refused.value(), 'POSTGRESQL:AUTHENTICATION', 'AUTHORITY_UNAVAILABLE');
    expect(served.immediate()).to.equal('token-1');
  });

  it('C-14 gives out nothing once it is closed, though a token is there', async () => {
    const bench = new Bench();
    await bench.value();
    bench.source.close();
    await failure(bench.value(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
  });

  it('T-31 uses a token no longer than either clock allows, and requests at most one more when one jumps', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.shiftWall(-HOUR);
    expect(bench.immediate()).to.equal('token-1');
    bench.clock.shiftWall(2.5 * HOUR);
    expect(await bench.value()).to.equal('token-2');
    expect(await bench.value()).to.equal('token-2');
    expect(bench.requests).to.equal(2);
  });

  it('T-32 notices by the wall clock that the machine slept', async () => {
    const bench = new Bench();
    await bench.value();
    bench.clock.shiftWall(2 * HOUR);
    expect(await bench.value()).to.equal('token-2');
  });

  it('C-14 aborts the running request when it is closed, and fails typed from then on', async () => {
    const bench = new Bench();
    bench.answer = () => new Promise(() => undefined);
    const waiting = bench.value();
    bench.source.close();
    await failure(waiting, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await failure(bench.value(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
  });

  it('shares one request and its token between sources of one memory location', async () => {
    const open = (): TokenStore => openStore('memory://shared-by-a-test');
    const [first, second] = [new Bench(open()), new Bench(open())];
    expect(await Promise.all([first.value(), second.value()])).to.deep.equal(['token-1', 'token-1']);
    expect(first.requests + second.requests).to.equal(1);
  });

  it('serves one source after another that shared its request is closed', async () => {
    const store = openStore('memory://');
    const [closing, staying] = [new Bench(store), new Bench(store)];
    closing.answer = () => new Promise(() => undefined);
    const lost = closing.value();
    const served = staying.value();
    closing.source.close();
    await failure(lost, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    expect(await served).to.equal('token-1');
  });
});
