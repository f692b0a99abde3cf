import { expect } from 'chai';
import { Pool, type Poolable } from '#src/connection/pool.js';
import { ConnectorError } from '#src/errors.js';
import { failure } from '../support/failure.js';
import { FakeClock, settle } from '../support/fake-clock.js';

class Thing implements Poolable {
  usable = true;
  isDirty = false;
  lifeMs: number | undefined;
  isAlive: () => Promise<boolean> = () => Promise.resolve(true);
  cleans: () => Promise<boolean> = () => {
    this.isDirty = false;
    return Promise.resolve(true);
  };
  end: 'open' | 'closed' | 'destroyed' = 'open';
  readonly id: number;
  readonly openedAtMs: number;

  constructor(id: number, openedAtMs: number) {
    this.id = id;
    this.openedAtMs = openedAtMs;
  }

  break = (): void => undefined;

  whenBroken(listener: () => void): void {
    this.break = (): void => {
      this.usable = false;
      listener();
    };
  }

  validate(): Promise<boolean> {
    return this.isAlive();
  }

  clean(): Promise<boolean> {
    return this.cleans();
  }

  close(): Promise<void> {
    this.end = 'closed';
    return Promise.resolve();
  }

  destroy(): void {
    this.end = 'destroyed';
  }
}

/** A pool of things that open when the test says so. */
class Bench {
  readonly clock = new FakeClock();
  readonly things: Thing[] = [];
  readonly closed: string[] = [];
  readonly held: string[] = [];
  opens = 0;
  ownLifeMs: number | undefined;
  open: () => Promise<void> = () => Promise.resolve();
  readonly pool: Pool<Thing>;

  constructor(
    limits: Partial<{
      minSize: number;
      maxSize: number;
      waitMs: number;
      idleMs: number;
      lifeMs: number;
      maxOpening: number;
      heldMs: number;
      keepsIdle: boolean;
    }> = {},
  ) {
    this.pool = new Pool<Thing>({
      keepsIdle: true,
      minSize: 0,
      maxSize: 2,
      waitMs: 1_000,
      idleMs: 10_000,
      lifeMs: 0,
      maxOpening: 10,
      heldMs: 0,
      ...limits,
      clock: this.clock,
      open: async () => {
        this.opens += 1;
        await this.open();
        const thing = new Thing(this.things.length + 1, this.clock.steadyMs());
        thing.lifeMs = this.ownLifeMs;
        this.things.push(thing);
        return thing;
      },
      onClose: (thing, reason) => this.closed.push(`${String(thing.id)}: ${reason}`),
      onHeld: ({ id }, { operation }, ms) => this.held.push(`${operation} ${id} ${ms}`),
    });
  }
}

describe('pool', () => {
  it('lends what is idle before it opens another', async () => {
    const { pool, things } = new Bench();
    for (let round = 0; round < 5; round += 1) await pool.use(() => Promise.resolve());
    expect(things).to.have.length(1);
    expect(pool.counts()).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
  });

  it('never opens more than its most, and serves in the order of asking', async () => {
    const { pool, things } = new Bench({ maxSize: 2 });
    const order: number[] = [];
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, (_, caller) =>
        pool.use(async () => {
          order.push(caller);
          most = Math.max(most, pool.counts().inUse);
          await new Promise((resolve) => setImmediate(resolve));
        }),
      ),
    );
    expect(order).to.deep.equal(Array.from({ length: 50 }, (_, caller) => caller));
    expect(most).to.equal(2);
    expect(things).to.have.length(2);
  });

  it('B-08 rejects a waiter at its limit and tells the counts', async () => {
    const { pool, clock } = new Bench({ maxSize: 1 });
    const held = await pool.acquire();
    const waiting = pool.acquire();
    clock.advance(999);
    expect(pool.counts().waiting).to.equal(1);
    clock.advance(1);
    const error = await failure(waiting, 'POSTGRESQL:POOL_EXHAUSTED', 'POOL_EXHAUSTED');
    expect(error.message).to.include('1 in use, 0 opening, 1 waiting, at most 1');
    pool.release(held);
    expect(pool.counts()).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
  });

  it('B-17 lets a waiter leave and gives its place to the next', async () => {
    const { pool } = new Bench({ maxSize: 1 });
    const held = await pool.acquire();
    const leaving = new AbortController();
    const first = pool.acquire(leaving.signal);
    const second = pool.acquire();
    leaving.abort(new ConnectorError('CANCELLED', {}));
    await failure(first, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    pool.release(held);
    expect(await second).to.equal(held);
  });

  it('B-10 takes a thing back once, and says so of a second time', async () => {
    const { pool } = new Bench();
    const thing = await pool.acquire();
    pool.release(thing);
    await failure(
      () => {
        pool.release(thing);
      },
      'POSTGRESQL:QUERY_EXECUTION',
      'INTERNAL',
    );
    expect(pool.counts()).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
  });

  it('gives a thing back also when the work fails', async () => {
    const { pool } = new Bench();
    await failure(
      pool.use(() => Promise.reject(new ConnectorError('CANCELLED', {}))),
      'POSTGRESQL:CANCELLED',
      'CANCELLED',
    );
    expect(pool.counts()).to.include({ idle: 1, inUse: 0 });
  });

  it('B-11 closes what came back unusable and opens another for the next', async () => {
    const { pool, things, closed } = new Bench();
    await pool.use((thing) => {
      thing.usable = false;
      return Promise.resolve();
    });
    expect((await pool.acquire()).id).to.equal(2);
    expect(things[0]?.end).to.equal('closed');
    expect(closed).to.deep.equal(['1: broken']);
  });

  it('B-03 lets go of what breaks while it is idle', async () => {
    const { pool, things, closed, clock } = new Bench();
    await pool.use(() => Promise.resolve());
    things[0]!.break();
    expect(pool.counts().idle).to.equal(0);
    expect(clock.pendingTimers).to.equal(0);
    expect(closed).to.deep.equal(['1: ended while idle']);
    expect((await pool.acquire()).id).to.equal(2);
  });

  it('opens another for who still waits when something comes back unusable', async () => {
    const { pool } = new Bench({ maxSize: 1 });
    const held = await pool.acquire();
    const waiting = pool.acquire();
    held.usable = false;
    pool.release(held);
    expect((await waiting).id).to.equal(2);
  });

  it('N-17 closes what is idle for too long, down to its least', async () => {
    const { pool, clock, things } = new Bench({ minSize: 1 });
    const both = await Promise.all([pool.acquire(), pool.acquire()]);
    both.forEach((thing) => {
      pool.release(thing);
    });
    clock.advance(10_000);
    expect(things.map(({ end }) => end).sort()).to.deep.equal(['closed', 'open']);
    expect(pool.counts().idle).to.equal(1);
  });

  it('replaces what is older than its life', async () => {
    const { pool, clock } = new Bench({ lifeMs: 5_000, idleMs: 0 });
    await pool.use(() => Promise.resolve());
    clock.advance(4_749);
    expect(await pool.use(({ id }) => Promise.resolve(id))).to.equal(1);
    clock.advance(1);
    expect(await pool.use(({ id }) => Promise.resolve(id))).to.equal(2);
  });

  it('fails everybody who waited when opening fails, and opens again for the next', async () => {
    const bench = new Bench({ maxSize: 2 });
    bench.open = () => Promise.reject(new ConnectorError('DATABASE_UNKNOWN', { database: 'nope' }));
    const waiting = Array.from({ length: 20 }, () =>
      failure(bench.pool.acquire(), 'POSTGRESQL:INVALID_DATABASE', 'DATABASE_UNKNOWN'),
    );
    await Promise.all(waiting);
    expect(bench.opens).to.be.at.most(2);
    bench.open = () => Promise.resolve();
    expect((await bench.pool.acquire()).id).to.equal(1);
    expect(bench.pool.counts()).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 0 });
  });

  it('B-30 lets who waits go on waiting for what is lent when another cannot be opened now', async () => {
    const bench = new Bench({ maxSize: 2 });
    const held = await bench.pool.acquire();
    bench.open = () =>
      Promise.reject(new ConnectorError('SERVER_BUSY', { serverMessage: 'too many clients' }));
    const waiting = bench.pool.acquire();
    await settle();
    expect(bench.pool.counts()).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 1 });
    bench.pool.release(held);
    expect(await waiting).to.equal(held);
  });

  it('B-30 serves ten cold callers from nine sessions when the tenth cannot be opened', async () => {
    const bench = new Bench({ maxSize: 10 });
    bench.open = () =>
      bench.opens === 1
        ? Promise.reject(new ConnectorError('SERVER_BUSY', { serverMessage: 'too many clients' }))
        : settle();
    const served = await Promise.all(
      Array.from({ length: 10 }, () => bench.pool.use(({ id }) => Promise.resolve(id))),
    );
    expect(served).to.have.length(10);
    await settle();
    expect(bench.things).to.have.length(9);
  });

  it('N-02 tells who waited for the first session why it could not be opened, not that the pool is full', async () => {
    const bench = new Bench({ waitMs: 1_000 });
    let fail = (): void => undefined;
    bench.open = () =>
      new Promise((_, reject) => {
        fail = (): void => {
          reject(
            new ConnectorError('CONNECT_TIMEOUT', { host: 'h', port: 1, stage: 'TLS', timeoutMs: 1_000 }),
          );
        };
      });
    const waiting = bench.pool.acquire();
    bench.clock.advance(1_001);
    expect(bench.pool.counts().waiting).to.equal(1);
    fail();
    await failure(waiting, 'POSTGRESQL:CANNOT_REACH', 'CONNECT_TIMEOUT');
  });

  it('B-08 does not let an overdue waiter wait on once another was served', async () => {
    const bench = new Bench({ maxSize: 1, waitMs: 1_000 });
    let finish = (): void => undefined;
    bench.open = () => new Promise((resolve) => (finish = resolve));
    const [first, second] = [bench.pool.acquire(), bench.pool.acquire()];
    bench.clock.advance(1_001);
    finish();
    await first;
    await failure(second, 'POSTGRESQL:POOL_EXHAUSTED', 'POOL_EXHAUSTED');
  });

  it('B-18 close rejects who waits, closes what is idle and waits for what is lent', async () => {
    const { pool, things } = new Bench({ maxSize: 2 });
    const [idle, held] = await Promise.all([pool.acquire(), pool.acquire()]);
    pool.release(idle);
    const second = await pool.acquire();
    expect(second).to.equal(idle);
    const waiting = pool.acquire();
    let ended = false;
    const closing = pool.close(5_000).then(() => (ended = true));
    await failure(waiting, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await failure(pool.acquire(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    pool.release(second);
    await settle();
    expect(ended).to.equal(false);
    pool.release(held);
    await closing;
    expect(things.map(({ end }) => end)).to.deep.equal(['closed', 'closed']);
  });

  it('B-18 close destroys what is still lent after the grace, and leaves no timer', async () => {
    const { pool, clock, things } = new Bench();
    await pool.acquire();
    const closing = pool.close(5_000);
    clock.advance(5_000);
    await closing;
    expect(things[0]?.end).to.equal('destroyed');
    expect(clock.pendingTimers).to.equal(0);
  });

  it('closes what finishes opening after close', async () => {
    const bench = new Bench();
    let finish = (): void => undefined;
    bench.open = () => new Promise((resolve) => (finish = resolve));
    const waiting = bench.pool.acquire();
    const closing = bench.pool.close(5_000);
    await failure(waiting, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    finish();
    await closing;
    await settle();
    expect(bench.things[0]?.end).to.equal('closed');
  });

  it('N-13 asks what rested whether it still answers; one that is silent is replaced within a second', async () => {
    const { pool, clock, things, closed } = new Bench({ waitMs: 60_000 });
    await pool.use(() => Promise.resolve());
    things[0]!.isAlive = () => new Promise(() => undefined);
    clock.advance(499);
    expect((await pool.use((thing) => Promise.resolve(thing))).id, 'used a moment ago').to.equal(1);
    clock.advance(500);
    const next = pool.acquire();
    clock.advance(1_000);
    expect((await next).id).to.equal(2);
    expect(things[0]!.end).to.equal('destroyed');
    expect(closed).to.deep.equal(['1: did not answer after a rest']);
  });

  it('N-13 who may wait for a second only gets another one in that second', async () => {
    const { pool, clock, things } = new Bench({ waitMs: 1_000 });
    await pool.use(() => Promise.resolve());
    things[0]!.isAlive = () => new Promise(() => undefined);
    clock.advance(5_000);
    const next = pool.acquire();
    clock.advance(500);
    expect((await next).id).to.equal(2);
  });

  it('N-13 a network that fell silent costs one wait, however many were idle', async () => {
    const { pool, clock, things } = new Bench({ maxSize: 8, waitMs: 60_000 });
    const all = await Promise.all(Array.from({ length: 8 }, () => pool.acquire()));
    for (const thing of all) {
      thing.isAlive = () => new Promise(() => undefined);
      pool.release(thing);
    }
    clock.advance(5_000);
    const next = pool.acquire();
    clock.advance(1_000);
    expect((await next).id).to.equal(9);
    clock.advance(1_000);
    await settle();
    expect(things.filter(({ end }) => end === 'destroyed')).to.have.length(8);
    expect(pool.counts()).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 0 });
  });

  it('B-11 cleans what came back dirty before it is lent again, and lets nobody wait for it', async () => {
    const { pool, things } = new Bench();
    const first = await pool.acquire();
    let finish: (isClean: boolean) => void = () => undefined;
    first.cleans = () => new Promise((resolve) => (finish = resolve));
    first.isDirty = true;
    first.usable = false;
    pool.release(first);
    expect(pool.counts()).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 0 });
    const other = await pool.acquire();
    expect(other.id).to.equal(2);
    first.isDirty = false;
    first.usable = true;
    finish(true);
    await settle();
    expect(pool.counts()).to.deep.equal({ idle: 1, inUse: 1, opening: 0, waiting: 0 });
    expect(await pool.acquire()).to.equal(first);
    expect(things).to.have.length(2);
  });

  it('B-11 ends what cannot be cleaned, and what does not come to an end with it', async () => {
    const { pool, clock, closed, things } = new Bench({ maxSize: 3 });
    const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    const outcomes = [
      () => Promise.resolve(false),
      () => Promise.reject(new Error('reset by peer')),
      () => new Promise<boolean>(() => undefined),
    ];
    all.forEach((thing, at) => {
      thing.isDirty = true;
      thing.cleans = outcomes[at]!;
      pool.release(thing);
    });
    await settle();
    expect(pool.counts().inUse).to.equal(1);
    clock.advance(10_000);
    await settle();
    expect(closed).to.deep.equal([1, 2, 3].map((id) => `${id}: could not be cleaned`));
    expect(things.map(({ end }) => end)).to.deep.equal(['closed', 'closed', 'destroyed']);
    expect(pool.counts()).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
  });

  it('opens a few at a time, and whatever is ready first serves whoever is first', async () => {
    const bench = new Bench({ maxSize: 10, maxOpening: 2 });
    const finish: (() => void)[] = [];
    bench.open = () => new Promise((resolve) => finish.push(resolve));
    const order: number[] = [];
    const callers = Array.from({ length: 5 }, (_, caller) =>
      bench.pool.use(() => Promise.resolve(order.push(caller))),
    );
    expect(bench.pool.counts()).to.include({ opening: 2, waiting: 5 });
    finish[1]!();
    await Promise.all(callers);
    expect(order).to.deep.equal([0, 1, 2, 3, 4]);
    expect(bench.things, 'one was enough for all').to.have.length(1);
    finish.forEach((each) => each());
    await bench.pool.close(0);
  });

  it('holds its least open from the first use on, also after a restart of the server, with pauses in between', async () => {
    const bench = new Bench({ minSize: 3, maxSize: 5, idleMs: 0 });
    await settle();
    expect(bench.opens, 'nothing before the first use').to.equal(0);
    await bench.pool.use(() => Promise.resolve());
    await settle();
    expect(bench.pool.counts()).to.deep.equal({ idle: 3, inUse: 0, opening: 0, waiting: 0 });
    bench.open = () =>
      Promise.reject(new ConnectorError('SERVER_STARTING', { serverMessage: 'starting up' }));
    for (const thing of bench.things.slice()) thing.break();
    await settle();
    const failedAtFirst = bench.opens;
    for (let second = 0; second < 60; second += 1) {
      bench.clock.advance(1_000);
      await settle();
    }
    expect(bench.opens - failedAtFirst, 'attempts in a minute of failures').to.be.within(5, 12);
    bench.open = () => Promise.resolve();
    bench.clock.advance(30_000);
    await settle();
    expect(bench.pool.counts()).to.deep.equal({ idle: 3, inUse: 0, opening: 0, waiting: 0 });
  });

  it('does not knock again in the background where the refusal is final', async () => {
    const bench = new Bench({ minSize: 2 });
    await bench.pool.use(() => Promise.resolve());
    await settle();
    bench.open = () => Promise.reject(new ConnectorError('DATABASE_UNKNOWN', { database: 'gone' }));
    for (const thing of bench.things.slice()) thing.break();
    await settle();
    const { opens } = bench;
    bench.clock.advance(3_600_000);
    await settle();
    expect(bench.opens).to.equal(opens);
  });

  it('gives each a life of its own, up to a tenth shorter, and never longer than its own policy', async () => {
    const endOf = async (chance: number, lifeMs: number, ownLifeMs?: number): Promise<number> => {
      const bench = new Bench({ lifeMs, idleMs: 0 });
      bench.clock.chance = chance;
      bench.ownLifeMs = ownLifeMs;
      await bench.pool.use(() => Promise.resolve());
      while (bench.things[0]!.end === 'open') bench.clock.advance(1);
      return bench.clock.steadyMs();
    };
    expect(await endOf(0, 1_000)).to.equal(1_000);
    expect(await endOf(0.5, 1_000)).to.equal(950);
    expect(await endOf(0.999, 1_000)).to.be.within(900, 901);
    expect(await endOf(0, 1_000, 300)).to.equal(300);
    expect(await endOf(0, 0, 300)).to.equal(300);
    expect(await endOf(0, 300, 1_000)).to.equal(300);
  });

  it('B-09 says once who holds a thing for long', async () => {
    const { pool, clock, held } = new Bench({ heldMs: 60_000 });
    const thing = await pool.acquire(undefined, { operation: 'select' });
    clock.advance(59_999);
    expect(held).to.deep.equal([]);
    clock.advance(600_000);
    expect(held).to.deep.equal(['select 1 60000']);
    pool.release(thing);
    await pool.use(() => Promise.resolve(), undefined, { operation: 'insert' });
    clock.advance(600_000);
    expect(held).to.deep.equal(['select 1 60000']);
  });

  it('B-08 an overdue waiter is told at the latest a quarter of a second after its limit', async () => {
    const bench = new Bench({ waitMs: 1_000 });
    bench.open = () => new Promise(() => undefined);
    const waiting = bench.pool.acquire();
    bench.clock.advance(1_250);
    const error = await failure(waiting, 'POSTGRESQL:POOL_EXHAUSTED', 'POOL_EXHAUSTED');
    expect(error.message).to.include('0 in use, 1 opening, 1 waiting');
  });

  it('has never more than its most, though one that was given up opens after all', async () => {
    const bench = new Bench({ maxSize: 1 });
    const finish: (() => void)[] = [];
    bench.open = () => new Promise((resolve) => finish.push(resolve));
    const leaving = new AbortController();
    const first = bench.pool.acquire(leaving.signal);
    leaving.abort(new ConnectorError('CANCELLED', {}));
    await failure(first, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    const second = bench.pool.acquire();
    finish.forEach((each) => each());
    await second;
    await settle();
    expect(bench.things.filter(({ end }) => end === 'open')).to.have.length(1);
  });

  it('B-18 close waits for what is being cleaned, and for what is closing, within its grace', async () => {
    const { pool, clock } = new Bench();
    const thing = await pool.acquire();
    thing.isDirty = true;
    thing.cleans = () => new Promise(() => undefined);
    pool.release(thing);
    let ended = false;
    const closing = pool.close(5_000).then(() => (ended = true));
    await settle();
    expect(ended).to.equal(false);
    clock.advance(5_000);
    await closing;
    expect(thing.end).to.equal('destroyed');
  });

  it('B-10 what comes back after the end is no matter', async () => {
    const { pool, clock } = new Bench();
    const thing = await pool.acquire();
    const closing = pool.close(5_000);
    clock.advance(5_000);
    await closing;
    pool.release(thing);
    pool.release(thing);
    expect(pool.counts()).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
  });

  it('one of several who share it leaves without disturbing the others', async () => {
    const { pool, clock, things } = new Bench({ maxSize: 2, waitMs: 60_000 });
    const [ours, theirs] = [{}, {}];
    const held = await pool.acquire(undefined, { operation: 'select', tenant: ours });
    const other = await pool.acquire(undefined, { operation: 'select', tenant: theirs });
    const waiting = pool.acquire(undefined, { operation: 'select', tenant: ours });
    const patient = pool.acquire(undefined, { operation: 'select', tenant: theirs });
    const leaving = pool.leave(ours, 5_000);
    await failure(waiting, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    clock.advance(5_000);
    await leaving;
    expect(held.end).to.equal('destroyed');
    held.usable = false;
    pool.release(held);
    expect((await patient).id).to.equal(3);
    expect(things.slice(1).map(({ end }) => end)).to.deep.equal(['open', 'open']);
    pool.release(other);
  });
});
