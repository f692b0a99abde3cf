import { availableParallelism } from 'node:os';
import { fingerprintOf } from '../auth/identity-key.js';
import type { Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { ConnectorError } from '../errors.js';
import type { Settings } from '../settings/settings.js';
import { HostRoles } from './host-roles.js';
import type { PgSession } from './pg-session.js';
import { Pool, type Borrower, type PoolCounts } from './pool.js';

/** One connector, as the pool knows it. */
export interface ShareOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  /** Opens a session with the connector's own token source, and reports to its diagnostics. */
  readonly open: (signal: AbortSignal) => Promise<PgSession>;
  /** Why opening takes long, where it is tried again and again. */
  readonly trouble: () => Error | undefined;
  /** What a host brought along that decides how sessions come about; compared by identity. */
  readonly injected: readonly (object | undefined)[];
}

/** How the connector of a share borrows sessions. */
export interface PoolShare {
  /** As {@link Pool.use}, for `operation`. */
  use<R>(operation: string, work: (session: PgSession) => Promise<R>, signal?: AbortSignal): Promise<R>;
  /** As {@link Pool.acquire}, for `operation`, which waits since `askedAtMs` (on the steady clock) or from now on. */
  acquire(operation: string, signal?: AbortSignal, askedAtMs?: number): Promise<PgSession>;
  release(session: PgSession): void;
  /** What is known of the hosts; one for the whole pool. */
  readonly roles: HostRoles;
  /** Of the whole pool, whoever shares it. */
  counts(): PoolCounts;
  /** Sessions that the pool opened since this share began. */
  readonly sessionsOpened: number;
  /**
   * Rejects those of this connector who wait, and gives its borrowers `graceMs`. The last share to close
   * ends the pool with all sessions. Idempotent.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * A share in the one pool of this process for these settings. No I/O.
 *
 * An event about a loan is reported to the connector that borrowed; one about a session by itself to the
 * connector for which it was opened, or in its absence to the one that has shared the pool for longest.
 */
export function sharePool(options: ShareOptions): PoolShare {
  const key = keyOf(options);
  let shared = POOLS.get(key);
  if (!shared) {
    shared = new SharedPool(options, () => POOLS.delete(key));
    POOLS.set(key, shared);
  }
  return new Share(options, shared);
}

/** Those with at least one share. */
const POOLS = new Map<string, SharedPool>();

/** Settings that make no difference to a session. A new one makes a difference until it is named here. */
const BESIDE_SESSIONS: ReadonlySet<string> = new Set<keyof Settings>(['log', 'maxRows', 'connectOnOpen']);

function keyOf({ settings, injected }: ShareOptions): string {
  const parts = Object.entries(settings).filter(([name]) => !BESIDE_SESSIONS.has(name));
  return fingerprintOf([Object.fromEntries(parts), injected.map((each) => each && numberOf(each))]);
}

const NUMBERS = new WeakMap<object, number>();
let numbered = 0;

function numberOf(object: object): number {
  const number = NUMBERS.get(object) ?? (numbered += 1);
  NUMBERS.set(object, number);
  return number;
}

/** A login is mostly work of this machine and of the server; more at a time only delays the first that is ready. */
const OPENINGS_PER_CORE = 2;
/** A loan is longer than usual after so many times the limit of one answer, at least a minute. */
const HELD_TIMEOUTS = 5;
const SHORTEST_HELD_MS = 60_000;

class SharedPool {
  readonly pool: Pool<PgSession>;
  readonly roles: HostRoles;
  readonly #settings: Settings;
  readonly #ended: () => void;
  /** In the order in which they came. */
  readonly #shares = new Set<Share>();
  readonly #openedFor = new WeakMap<PgSession, Share>();
  #leftLast: Share | undefined;
  sessionsOpened = 0;

  /** Runs `ended` when the last share has left. */
  constructor({ settings, clock }: ShareOptions, ended: () => void) {
    this.#settings = settings;
    this.#ended = ended;
    this.roles = new HostRoles(settings.server, clock);
    this.pool = new Pool<PgSession>({
      ...settings.pool,
      maxOpening: OPENINGS_PER_CORE * availableParallelism(),
      heldMs: Math.max(SHORTEST_HELD_MS, HELD_TIMEOUTS * settings.timeoutMs),
      clock,
      open: (signal, borrower) => this.#open(signal, borrower),
      trouble: (borrower) => shareOf(borrower)?.trouble(),
      onClose: (session, reason) => {
        this.#narratorOf(session)?.report('session.closed', { id: session.id, reason });
      },
      onLend: ({ id }, borrower, { idle, waiting }, waitedMs) => {
        shareOf(borrower)?.diagnostics.report('session.lent', {
          id,
          idle,
          waiting,
          ms: Math.round(waitedMs),
        });
      },
      onReturn: ({ id }, borrower, { idle, waiting }) => {
        shareOf(borrower)?.diagnostics.report('session.returned', { id, idle, waiting });
      },
      onHeld: ({ id }, borrower, ms) => {
        const { operation } = borrower;
        shareOf(borrower)?.diagnostics.report('session.held', { id, operation, ms });
      },
    });
  }

  join(share: Share): void {
    this.#shares.add(share);
  }

  leave(share: Share, graceMs: number): Promise<void> {
    this.#shares.delete(share);
    this.#leftLast = share;
    if (this.#shares.size > 0) return this.pool.leave(share, graceMs);
    this.#ended();
    return this.pool.close(graceMs);
  }

  /** In the name of the borrower's connector. Where that closes meanwhile, another one takes over. */
  async #open(signal: AbortSignal, borrower: Borrower | undefined): Promise<PgSession> {
    const [longest] = this.#shares;
    const asking = borrower && shareOf(borrower);
    const share = asking && this.#shares.has(asking) ? asking : longest;
    if (!share) throw new ConnectorError('CONNECTOR_CLOSED', {});
    try {
      const session = await share.open(signal);
      this.#requireUsable(session);
      this.#openedFor.set(session, share);
      this.sessionsOpened += 1;
      return session;
    } catch (error) {
      if (signal.aborted || this.#shares.has(share)) throw error;
      return this.#open(signal, undefined);
    }
  }

  #requireUsable(session: PgSession): void {
    if (session.usable) return;
    const { host, port } = this.#settings.server;
    const { failure } = session;
    session.destroy();
    if (failure) throw failure;
    throw new ConnectorError('CONNECTION_LOST', { host, port, problem: 'it ended right after the login' });
  }

  #narratorOf(session: PgSession): Diagnostics | undefined {
    const opener = this.#openedFor.get(session);
    const [longest] = this.#shares;
    const share = opener && this.#shares.has(opener) ? opener : (longest ?? this.#leftLast);
    return share?.diagnostics;
  }
}

function shareOf({ tenant }: Borrower): Share | undefined {
  return tenant instanceof Share ? tenant : undefined;
}

class Share implements PoolShare {
  readonly diagnostics: Diagnostics;
  readonly open: ShareOptions['open'];
  readonly trouble: ShareOptions['trouble'];
  readonly #shared: SharedPool;
  readonly #openedBefore: number;
  #closed: Promise<void> | undefined;

  constructor({ diagnostics, open, trouble }: ShareOptions, shared: SharedPool) {
    this.diagnostics = diagnostics;
    this.open = open;
    this.trouble = trouble;
    this.#shared = shared;
    this.#openedBefore = shared.sessionsOpened;
    shared.join(this);
  }

  async use<R>(
    operation: string,
    work: (session: PgSession) => Promise<R>,
    signal?: AbortSignal,
  ): Promise<R> {
    this.#requireOpen();
    return this.#shared.pool.use(work, signal, { operation, tenant: this });
  }

  async acquire(operation: string, signal?: AbortSignal, askedAtMs?: number): Promise<PgSession> {
    this.#requireOpen();
    return this.#shared.pool.acquire(signal, { operation, tenant: this, askedAtMs });
  }

  release(session: PgSession): void {
    this.#shared.pool.release(session);
  }

  get roles(): HostRoles {
    return this.#shared.roles;
  }

  counts(): PoolCounts {
    return this.#shared.pool.counts();
  }

  get sessionsOpened(): number {
    return this.#shared.sessionsOpened - this.#openedBefore;
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#shared.leave(this, graceMs);
    return this.#closed;
  }

  #requireOpen(): void {
    if (this.#closed) throw new ConnectorError('CONNECTOR_CLOSED', {});
  }
}
