import { LRUCache } from 'lru-cache';
import { nextTurn, type Clock } from '../clock.js';
import { asConnectorError, ConnectorError, isConnectorError } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import { HiddenFunctions } from './hidden-functions.js';
import { LaneRead, Pace, type ReadOwner } from './lane-read.js';
import { inDoubt } from './outcome.js';
import { isServerError, statementError } from './pg-error.js';
import type { PgSession } from './pg-session.js';
import type { RowBatch } from './rows.js';
import type { PoolShare } from './shared-pools.js';

/** How one read runs. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Most rows to be sent; undefined = all. */
  readonly limit?: number | undefined;
}

export interface LaneOptions {
  readonly pool: Pick<PoolShare, 'acquire' | 'release' | 'counts'>;
  readonly clock: Clock;
  /** Limit of each answer in milliseconds; 0 = none. */
  readonly timeoutMs: number;
  /** Limit of each wait for a session, likewise. */
  readonly waitMs: number;
}

/** Most reads on their way in one session. */
const WINDOW = 256;
/** Most work on its way in one session; with more, another one shares it. */
const MOST_AHEAD_MS = 100;
/** A text that takes longer runs in a session of its own. */
const SLOW_MS = 50;
/** After this time a session that others wait for is given back. */
const TURN_MS = 100;
/** After this time it is given back anyway, so that the pool sees its age. */
const LEASE_MS = 10_000;
/** A timer of Node.js may be up to a millisecond early, and clocks may differ by another one. */
const TIMER_SLACK_MS = 2;
/** Texts whose pace is remembered. */
const MOST_TEXTS = 1_000;

/** A session that the lane has borrowed. */
interface Lent {
  readonly session: PgSession;
  readonly lentAtMs: number;
  /** Takes no more reads, and is given back when the last one was answered. */
  isLeaving: boolean;
  /** How long the reads in it will take, as far as is known. */
  aheadMs: number;
}

/**
 * Auto-commit reads on few sessions: several are on their way at a time, one behind the other, so that
 * none waits for the round trip of another. Sessions are borrowed from the pool while there is
 * something to read, another one only when there is no room in those at hand.
 *
 * A text runs there while its answers are quick; the first read of a text shows whether they are. When
 * one turns out to be slow, those behind it are sent again in another session, and its text runs alone
 * from then on. So one slow query holds the others up by 50 to 100 ms at most.
 */
export class Lane implements ReadOwner {
  readonly #options: LaneOptions;
  readonly #paces = new LRUCache<string, Pace>({ max: MOST_TEXTS });
  readonly #lent = new Set<Lent>();
  readonly #sentIn = new WeakMap<LaneRead, Lent>();
  readonly #hidden: HiddenFunctions;
  /** Reads for which no session has room yet. */
  #queue: LaneRead[] = [];
  #borrowing: AbortController | undefined;
  #isWatched = false;
  /** A session was lost before anything of the queue was sent: the next such loss is told. */
  #wasLost = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#hidden = new HiddenFunctions(options.clock);
  }

  /**
   * The rows of `statement`, which must change nothing and leave no trace in its session: it may be sent
   * twice.
   *
   * @throws ConnectorError for what the server says, OPERATION_TIMEOUT, CONNECTION_LOST (after a second
   *   try), what {@link PoolShare.acquire} throws, or the reason of the signal
   */
  read(statement: Statement, { signal, limit }: ReadOptions): Promise<RowBatch> {
    if (signal?.aborted === true) return Promise.reject(asConnectorError(signal.reason, signal));
    const askedAtMs = this.#options.clock.steadyMs();
    const pace = this.#paceOf(statement.text);
    const read = new LaneRead({ statement, limit, pace, askedAtMs }, this, signal);
    this.#start(read);
    return read.promise;
  }

  answered(read: LaneRead): void {
    this.#leftSession(read);
    this.#paced(read.pace, true);
  }

  failed(read: LaneRead, error: unknown): void {
    const isLost = isConnectionLost(error);
    // It changes nothing, so it may be sent once more where its session was lost under it.
    this.#leftSession(read);
    if (isLost && !read.mayRepeat) error = inDoubt(error as ConnectorError);
    else if (isLost && !read.isSettled && !read.wasLost) {
      read.wasLost = true;
      this.#queue.push(read);
      this.#serve();
      return;
    }
    read.reject(isServerError(error) ? statementError(error) : error);
    this.#paced(read.pace, true);
  }

  left(read: LaneRead): void {
    const at = this.#queue.indexOf(read);
    if (at >= 0) {
      this.#queue.splice(at, 1);
      this.#probeAnew(read.pace);
    }
    if (this.#queue.length === 0) this.#borrowing?.abort(new ConnectorError('CANCELLED', {}));
  }

  #leftSession(read: LaneRead): void {
    const lent = this.#sentIn.get(read);
    if (lent) lent.aheadMs -= read.expectedMs;
    read.expectedMs = 0;
  }

  #paceOf(text: string): Pace {
    const known = this.#paces.get(text);
    if (known) return known;
    const pace = new Pace();
    this.#paces.set(text, pace);
    return pace;
  }

  #start(read: LaneRead): void {
    const { pace, statement } = read;
    read.mayRepeat = !this.#hidden.mayBeIn(statement.text);
    if (pace.kind === 'slow' || !read.mayRepeat) {
      void this.#runAlone(read);
      return;
    }
    if (pace.kind === 'unknown' && pace.isProbed) {
      pace.waiting.push(read);
      return;
    }
    pace.isProbed = true;
    this.#queue.push(read);
    this.#serve();
  }

  /** Takes note of an answer; those who waited for what it shows go on. */
  #paced(pace: Pace, isQuick: boolean): void {
    pace.saw(isQuick);
    this.#startWaiting(pace);
  }

  /** The read that should have shown the pace will not be sent: the next one of its text does. */
  #probeAnew(pace: Pace): void {
    if (pace.kind === 'unknown') this.#startWaiting(pace);
  }

  #startWaiting(pace: Pace): void {
    pace.isProbed = false;
    if (pace.waiting.length === 0) return;
    for (const read of pace.waiting.splice(0)) if (!read.isSettled) this.#start(read);
  }

  /** Sends what waits where there is room, and asks for another session where there is none. */
  #serve(): void {
    for (const lent of this.#lent) {
      while (this.#queue.length > 0 && this.#hasRoom(lent)) {
        this.#send(lent, this.#queue.shift() as LaneRead);
      }
    }
    if (this.#queue.length > 0) void this.#borrow();
  }

  #hasRoom(lent: Lent): boolean {
    const { session, lentAtMs } = lent;
    const heldMs = this.#options.clock.steadyMs() - lentAtMs;
    if (heldMs > LEASE_MS || (heldMs > TURN_MS && this.#options.pool.counts().waiting > 0))
      lent.isLeaving = true;
    const { inFlight } = session.pipeline;
    const isFull = inFlight >= WINDOW || (inFlight > 0 && lent.aheadMs >= MOST_AHEAD_MS);
    return !lent.isLeaving && session.usable && !isFull;
  }

  #send(lent: Lent, read: LaneRead): void {
    try {
      lent.session.pipeline.send(read);
      read.expectedMs = read.pace.meanMs;
      lent.aheadMs += read.expectedMs;
      this.#sentIn.set(read, lent);
      this.#watch();
    } catch (error) {
      read.reject(error);
      this.#probeAnew(read.pace);
    }
  }

  async #borrow(): Promise<void> {
    if (this.#borrowing) return;
    const { signal } = (this.#borrowing = new AbortController());
    try {
      const session = await this.#options.pool.acquire('select', signal, this.#queue[0]?.askedAtMs);
      const isRight = !this.#hidden.isDue || (await this.#lookForHidden(session));
      this.#borrowing = undefined;
      if (!isRight) {
        this.#serve();
        return;
      }
      const lent = this.#keep(session, false);
      this.#serve();
      if (session.pipeline.inFlight === 0) this.#giveBack(lent);
    } catch (error) {
      this.#borrowing = undefined;
      // It was given up for want of readers: who came since then asks anew.
      if (signal.aborted) this.#serve();
      else this.#refuse(error);
    }
  }

  // Those in the queue that may call such a function are better off alone. False when the session was lost
  // before anything of the queue was sent: another one takes its place, once.
  async #lookForHidden(session: PgSession): Promise<boolean> {
    try {
      await this.#hidden.ask(session);
    } catch (error) {
      this.#options.pool.release(session);
      const isRepeated = isConnectionLost(error) && !this.#wasLost;
      this.#wasLost = isRepeated;
      if (isRepeated) return false;
      throw error;
    }
    this.#wasLost = false;
    for (const read of this.#queue.splice(0)) {
      read.mayRepeat = !this.#hidden.mayBeIn(read.statement.text);
      if (read.mayRepeat) this.#queue.push(read);
      else {
        void this.#runAlone(read);
        this.#probeAnew(read.pace);
      }
    }
    return true;
  }

  /** In a session that it has for itself. */
  async #runAlone(read: LaneRead): Promise<void> {
    try {
      const session = await this.#options.pool.acquire('select', read.signal, read.askedAtMs);
      const lent = this.#keep(session, true);
      if (!read.isSettled) this.#send(lent, read);
      if (session.pipeline.inFlight === 0) this.#giveBack(lent);
    } catch (error) {
      read.reject(error);
    }
  }

  #keep(session: PgSession, isLeaving: boolean): Lent {
    const lent = { session, lentAtMs: this.#options.clock.steadyMs(), isLeaving, aheadMs: 0 };
    this.#lent.add(lent);
    session.pipeline.onIdle = () => {
      if (!lent.isLeaving && this.#queue.length > 0) this.#serve();
      if (session.pipeline.inFlight === 0) this.#giveBack(lent);
    };
    return lent;
  }

  #giveBack(lent: Lent): void {
    if (!this.#lent.delete(lent)) return;
    this.#options.pool.release(lent.session);
    if (this.#queue.length > 0) this.#serve();
  }

  /** No session is to be had. Where that is for want of time, it is so for those alone whose time is over. */
  #refuse(error: unknown): void {
    const { clock, waitMs } = this.#options;
    const endedMs = clock.steadyMs() - waitMs + TIMER_SLACK_MS;
    const isOverdue = ({ askedAtMs }: LaneRead): boolean => waitMs > 0 && askedAtMs <= endedMs;
    const [first] = this.#queue;
    const isForAll = !first || !isOverdue(first);
    const refused = this.#queue.filter((read) => isForAll || isOverdue(read));
    this.#queue = isForAll ? [] : this.#queue.filter((read) => !isOverdue(read));
    for (const read of refused) {
      read.reject(error);
      for (const each of read.pace.waiting) if (isForAll || isOverdue(each)) each.reject(error);
      this.#probeAnew(read.pace);
    }
    if (this.#queue.length > 0) void this.#borrow();
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#options.clock.after(
      SLOW_MS,
      () => {
        // What has arrived meanwhile is read first: it is this process that may have been slow.
        void nextTurn().then(() => {
          this.#isWatched = false;
          for (const lent of this.#lent) this.#look(lent);
          if (this.#lent.size > 0) this.#watch();
        });
      },
      { background: true },
    );
  }

  /** Sees to a read that takes long. */
  #look(lent: Lent): void {
    const { clock, timeoutMs } = this.#options;
    const { pipeline } = lent.session;
    const { head } = pipeline;
    const forMs = head ? clock.steadyMs() - head.startedAtMs : 0;
    if (!head || forMs < SLOW_MS) return;
    lent.isLeaving = true;
    if (!head.isDropped) this.#paced(head.read.pace, false);
    const followers = pipeline.takeFollowers();
    this.#queue.unshift(...followers.filter((read) => !read.isSettled));
    for (const read of followers) if (read.isSettled) this.#probeAnew(read.pace);
    if (!head.isDropped && timeoutMs > 0 && forMs >= timeoutMs)
      head.read.reject(new ConnectorError('OPERATION_TIMEOUT', { timeoutMs }));
    if (head.isDropped || head.read.isSettled) lent.session.interrupt();
    this.#serve();
  }
}

function isConnectionLost(error: unknown): boolean {
  return isConnectorError(error) && error.code === 'CONNECTION_LOST';
}
