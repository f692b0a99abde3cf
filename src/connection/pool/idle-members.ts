import type { Clock } from '../../clock.js';
import type { Member, Poolable } from './poolable.js';

export interface IdleOptions<T extends Poolable> {
  readonly clock: Clock;
  /** Milliseconds; 0 = no limit. */
  readonly idleMs: number;
  /** Whether there are more than have to be kept. */
  readonly isSurplus: () => boolean;
  /** Told what was removed because its time was over, and why. */
  readonly retired: (member: Member<T>, reason: string) => void;
}

export const OVER_AGE = 'older than ConnectionLifeTime';

/** What nobody uses at this moment: the one that was used last is taken first, so that the others may grow old. */
export class IdleMembers<T extends Poolable> {
  readonly #options: IdleOptions<T>;
  readonly #members: { readonly member: Member<T>; stopTimer: () => void }[] = [];

  constructor(options: IdleOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#members.length;
  }

  put(member: Member<T>): void {
    member.idleSinceMs = this.#options.clock.steadyMs();
    this.#members.push({ member, stopTimer: this.#watch(member) });
  }

  /** The one that was used last, if `isWanted`. */
  take(isWanted: (member: Member<T>) => boolean = () => true): Member<T> | undefined {
    const last = this.#members.at(-1);
    return last && isWanted(last.member) && this.remove(last.member) ? last.member : undefined;
  }

  takeAll(isWanted: (member: Member<T>) => boolean): Member<T>[] {
    const wanted = this.#members.map(({ member }) => member).filter(isWanted);
    for (const member of wanted) this.remove(member);
    return wanted;
  }

  /** False when it is not here. */
  remove(member: Member<T>): boolean {
    const at = this.#members.findLastIndex((each) => each.member === member);
    const [entry] = at < 0 ? [] : this.#members.splice(at, 1);
    entry?.stopTimer();
    return entry !== undefined;
  }

  /** A timer for the next moment at which its time may be over. */
  #watch(member: Member<T>): () => void {
    const { clock, idleMs } = this.#options;
    const nowMs = clock.steadyMs();
    const idleEndsMs = idleMs > 0 ? member.idleSinceMs + idleMs : Infinity;
    const dueMs = Math.min(member.endsAtMs, idleEndsMs > nowMs ? idleEndsMs : Infinity);
    if (dueMs === Infinity) return () => undefined;
    const look = (): void => {
      this.#look(member);
    };
    // Up to whole milliseconds, as timers count them: none fires before it is due.
    return clock.after(Math.max(0, Math.ceil(dueMs - nowMs)), look, { background: true });
  }

  #look(member: Member<T>): void {
    const { clock, idleMs, isSurplus, retired } = this.#options;
    const nowMs = clock.steadyMs();
    const isIdleOver = idleMs > 0 && nowMs >= member.idleSinceMs + idleMs && isSurplus();
    const reason = nowMs >= member.endsAtMs ? OVER_AGE : isIdleOver ? 'idle for too long' : undefined;
    if (reason !== undefined) {
      this.remove(member);
      retired(member, reason);
      return;
    }
    const entry = this.#members.find((each) => each.member === member);
    if (entry) entry.stopTimer = this.#watch(member);
  }
}
