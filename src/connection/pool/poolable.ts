import type { Clock } from '../../clock.js';

/** What a pool keeps: something that opens slowly, may break by itself, and is used by one at a time. */
export interface Poolable {
  /** False once it must not be lent again. */
  readonly usable: boolean;
  /** Whether its last borrower left something behind that {@link clean} has to remove. */
  readonly isDirty: boolean;
  readonly openedAtMs: number;
  /** Milliseconds from `openedAtMs` after which it must not be lent, where a policy of its own says so. */
  readonly lifeMs?: number | undefined;
  /** Runs `listener` when it becomes unusable by itself. */
  whenBroken(listener: () => void): void;
  /** Whether it still answers; asked of one that was idle for long. */
  validate(signal: AbortSignal): Promise<boolean>;
  /** Whether it is as new again; asked of a dirty one that came back. */
  clean(): Promise<boolean>;
  /** Ends it in good order. */
  close(): Promise<void>;
  /** Ends it at once. */
  destroy(): void;
}

/** On whose behalf something is lent. */
export interface Borrower {
  /** What is done with it, in a word for the log. */
  readonly operation: string;
  /** When its wait began on the steady clock, where that was before it asked. */
  readonly askedAtMs?: number | undefined;
  /** One of several who share the pool, see `leave`. */
  readonly tenant?: object;
}

export interface PoolCounts {
  readonly idle: number;
  /** Lent, or being cleaned after it. */
  readonly inUse: number;
  /** Being logged in, or asked after a long rest whether it still answers. */
  readonly opening: number;
  /** Callers in the line. */
  readonly waiting: number;
}

/** A resource in the pool. */
export interface Member<T extends Poolable> {
  readonly resource: T;
  /** On the steady clock; infinite without a limit. */
  readonly endsAtMs: number;
  /** It told so itself. */
  isBroken: boolean;
  idleSinceMs: number;
}

export interface PoolOptions<T extends Poolable> {
  /** Gives a usable resource. Told for whom, where somebody waits. */
  readonly open: (signal: AbortSignal, borrower: Borrower | undefined) => Promise<T>;
  /** Whether what comes back is kept for the next one. */
  readonly keepsIdle: boolean;
  /** So many are held open, in the background, once one could be opened. */
  readonly minSize: number;
  readonly maxSize: number;
  /** Most that open at the same time. */
  readonly maxOpening: number;
  /** Milliseconds; 0 = no limit, as for the next three. */
  readonly waitMs: number;
  readonly idleMs: number;
  /** Each resource draws a life of its own, up to a tenth shorter. */
  readonly lifeMs: number;
  /** How long something is lent until `onHeld` is told, once. */
  readonly heldMs: number;
  readonly clock: Clock;
  /** Why opening takes long, where that may go on without end: nobody waits for it beyond `waitMs`. */
  readonly trouble?: (borrower: Borrower) => Error | undefined;
  /** Told why a resource was closed. */
  readonly onClose?: (resource: T, reason: string) => void;
  /** Told what was lent, after how many milliseconds of waiting. */
  readonly onLend?: (resource: T, borrower: Borrower, counts: PoolCounts, waitedMs: number) => void;
  readonly onReturn?: (resource: T, borrower: Borrower, counts: PoolCounts) => void;
  readonly onHeld?: (resource: T, borrower: Borrower, heldMs: number) => void;
}
