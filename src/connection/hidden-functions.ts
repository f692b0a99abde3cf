import type { Clock } from '../clock.js';
import { HARMLESS_FUNCTIONS } from '../sql/harmless-functions.js';
import type { Session } from './session.js';

/** How long an answer of the catalogue is good for. */
const GOOD_FOR_MS = 60_000;

/** Object ids below are PostgreSQL's own (source, FirstNormalObjectId). */
const FIRST_OF_USERS = '16384';

/**
 * Functions of users that may write (a function that may is volatile), and that a statement can call
 * unseen: by the name of a harmless one, or, of one row, as if it were a column (`t.f` for `f(t)`).
 */
const HIDDEN = `
  select distinct p.proname as name
  from pg_catalog.pg_proc p
  left join pg_catalog.pg_type t on t.oid = p.proargtypes[0]
  where p.oid >= ${FIRST_OF_USERS} and p.provolatile = 'v'
    and (p.proname = any ($1) or (p.pronargs = 1 and t.typtype = 'c'))`;

/** What the words of a statement do not tell of it in this database. */
export class HiddenFunctions {
  readonly #clock: Clock;
  #names: readonly string[] = [];
  #askedAtMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the catalogue is to be asked (again). */
  get isDue(): boolean {
    return this.#clock.steadyMs() - this.#askedAtMs >= GOOD_FOR_MS;
  }

  /** Asks the catalogue in `session`. Throws what {@link Session.all} throws. */
  async ask(session: Session): Promise<void> {
    const statement = { text: HIDDEN, values: [[...HARMLESS_FUNCTIONS]] };
    const { rows } = await session.all(statement, { writes: false, leavesTrace: false });
    this.#names = rows.map(({ name }) => String(name).toLowerCase());
    this.#askedAtMs = this.#clock.steadyMs();
  }

  /** Whether `text` may call one of them. */
  mayBeIn(text: string): boolean {
    if (this.#names.length === 0) return false;
    const words = text.toLowerCase();
    return this.#names.some((name) => words.includes(name));
  }
}
