import { expect } from 'chai';
import { deadline, delay, LONGEST_DELAY_MS, systemClock } from '#src/clock.js';
import { FakeClock, settle } from './support/fake-clock.js';

/** The delays that `work` asks setTimeout for; the timers themselves never fire. */
function delaysOf(work: () => void): unknown[] {
  const original = globalThis.setTimeout;
  const delays: unknown[] = [];
  globalThis.setTimeout = ((task: () => void, ms: number) => {
    delays.push(ms);
    const timer = original(task, 1_000_000);
    clearTimeout(timer);
    return timer;
  }) as never;
  try {
    work();
  } finally {
    globalThis.setTimeout = original;
  }
  return delays;
}

describe('clock', () => {
  describe('of the system', () => {
    it('tells both times and draws lots', () => {
      expect(systemClock.wallMs()).to.be.closeTo(Date.now(), 1_000);
      const before = systemClock.steadyMs();
      expect(systemClock.steadyMs()).to.be.at.least(before);
      expect(systemClock.random()).to.be.within(0, 1);
    });

    it('runs a task once', async () => {
      let runs = 0;
      await new Promise<void>((resolve) => {
        systemClock.after(0, () => {
          runs += 1;
          resolve();
        });
      });
      expect(runs).to.equal(1);
    });

    it('runs no task that was cancelled', async () => {
      let runs = 0;
      const cancel = systemClock.after(0, () => (runs += 1));
      cancel();
      cancel();
      await new Promise<void>((resolve) => systemClock.after(1, resolve));
      expect(runs).to.equal(0);
    });

    it('P-16 never makes a 1 ms timer of a long or endless delay', () => {
      const asked = [LONGEST_DELAY_MS, LONGEST_DELAY_MS + 1, 1e15, Infinity, -1];
      const delays = delaysOf(() => {
        for (const ms of asked) systemClock.after(ms, () => undefined);
      });
      expect(delays).to.deep.equal([...Array<number>(4).fill(LONGEST_DELAY_MS), 0]);
    });

    it('keeps the process alive for who waits, and not for a task in the background', () => {
      const held = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const before = held();
      const cancel = systemClock.after(60_000, () => undefined);
      expect(held()).to.equal(before + 1);
      cancel();
      const cancelBackground = systemClock.after(60_000, () => undefined, { background: true });
      expect(held()).to.equal(before);
      cancelBackground();
    });
  });

  describe('delay', () => {
    it('is over when its time has passed, and not before', async () => {
      const clock = new FakeClock();
      let over = false;
      const wait = delay(clock, 1_000).then(() => (over = true));
      clock.advance(999);
      await settle();
      expect(over).to.equal(false);
      clock.advance(1);
      await wait;
      expect(over).to.equal(true);
    });

    it('is over at once when its signal aborts, and leaves no timer behind', async () => {
      const clock = new FakeClock();
      const controller = new AbortController();
      const wait = delay(clock, 1_000, controller.signal);
      expect(clock.pendingTimers).to.equal(1);
      controller.abort();
      await wait;
      await delay(clock, 1_000, controller.signal);
      expect(clock.pendingTimers).to.equal(0);
    });
  });

  describe('deadline', () => {
    const late = new Error('late');

    it('aborts with the reason it was given when time is up', () => {
      const clock = new FakeClock();
      const { signal } = deadline(clock, 500, () => late);
      clock.advance(499);
      expect(signal.aborted).to.equal(false);
      clock.advance(1);
      expect(signal.reason).to.equal(late);
    });

    it('takes 0 for no limit', () => {
      const clock = new FakeClock();
      const { signal, dispose } = deadline(clock, 0, () => late);
      expect(clock.pendingTimers).to.equal(0);
      dispose();
      expect(signal.aborted).to.equal(false);
    });

    it('aborts with the reason of the outer signal, also of one that aborted before', () => {
      const outer = new AbortController();
      const during = deadline(new FakeClock(), 500, () => late, outer.signal);
      outer.abort('enough');
      const before = deadline(new FakeClock(), 500, () => late, outer.signal);
      expect([during.signal.reason, before.signal.reason]).to.deep.equal(['enough', 'enough']);
    });

    it('keeps the first reason', () => {
      const clock = new FakeClock();
      const outer = new AbortController();
      const { signal } = deadline(clock, 500, () => late, outer.signal);
      outer.abort('enough');
      clock.advance(500);
      expect(signal.reason).to.equal('enough');
    });

    it('does nothing more once it is disposed of', () => {
      const clock = new FakeClock();
      const outer = new AbortController();
      const { signal, dispose } = deadline(clock, 500, () => late, outer.signal);
      dispose();
      clock.advance(1_000);
      outer.abort();
      expect(signal.aborted).to.equal(false);
      expect(clock.pendingTimers).to.equal(0);
    });
  });
});
