/**
 * Takes random steps with the real pool and with the model of it, and compares them after each:
 *
 *     npm run model:pool -- [steps, 1,000,000 unless told] [seed]
 */
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { ConnectorError } from '#src/errors.js';
import { chanceOf, type Chance } from '../../settings/connection-string-generator.js';
import { LIMITS, PoolModel } from './model.js';
import { settled, Simulation, SteppedClock, Thing } from './simulation.js';
import { nobody, tellProgress } from '../../support/progress.js';

export interface CheckReport {
  readonly steps: number;
  /** How often each kind of step was taken. */
  readonly taken: Readonly<Record<string, number>>;
  readonly pools: number;
}

/** The finest time: sums of it stay exact, and no two limits end at once. */
const GRAIN_MS = 2 ** -20;
const MOST_WAITING = 12;
/** A pool lives for so many steps on average. */
const STEPS_PER_POOL = 2_000;
const GRACE_MS = 5_000;

/** Takes `steps` steps. Throws at the first difference, and where a promise of the pool is broken. */
export async function checkPool(steps: number, seed: number, progress = nobody): Promise<CheckReport> {
  const chance = chanceOf(seed);
  const clock = new SteppedClock();
  const taken: Record<string, number> = {};
  let pools = 1;
  let run = new Run(clock, chance);
  for (let step = 1; step <= steps; step += 1) {
    try {
      const kind = await run.step();
      taken[kind] = (taken[kind] ?? 0) + 1;
      progress(step);
      if (chance(STEPS_PER_POOL) > 0) continue;
      await run.close();
      run = new Run(clock, chance);
      pools += 1;
    } catch (error) {
      throw new Error(`step ${step} of seed ${seed}: ${run.history()}`, { cause: error });
    }
  }
  await run.close();
  return { steps, taken, pools };
}

/** One pool from its making to its end. */
class Run {
  readonly #clock: SteppedClock;
  readonly #chance: Chance;
  readonly #real: Simulation;
  readonly #model: PoolModel;
  readonly #kinds: [string, () => string | undefined | Promise<string>][];
  readonly #lastSteps: string[] = [];
  #callers = 0;
  #things = 0;

  constructor(clock: SteppedClock, chance: Chance) {
    this.#clock = clock;
    this.#chance = chance;
    this.#real = new Simulation(clock);
    this.#model = new PoolModel(clock.now);
    this.#kinds = Object.entries(this.#steps());
  }

  history(): string {
    return this.#lastSteps.join('\n');
  }

  /** Takes one step that is possible, compares, and says which kind it was. */
  async step(): Promise<string> {
    await this.#pass(this.#chance(1 << 20) * GRAIN_MS);
    this.#clock.chance = this.#model.chance = this.#chance(1_024) / 1_024;
    this.#real.heedsAborts = this.#chance(4) > 0;
    for (;;) {
      const [kind, take] = this.#oneOf(this.#kinds)!;
      const took = await take();
      if (took === undefined) continue;
      this.#lastSteps.push(`${this.#clock.now} ${kind} ${took}`);
      if (this.#lastSteps.length > 30) this.#lastSteps.shift();
      await settled();
      this.#compare();
      return kind;
    }
  }

  /** Each does its step with both, or gives undefined where there is nothing to take it with. */
  #steps(): Record<string, () => string | undefined | Promise<string>> {
    const real = this.#real;
    const model = this.#model;
    const passes = async (): Promise<string> => {
      const ms = this.#oneOf([20, 120, 400, 700, 1_500, 4_000, 11_000])!;
      await this.#pass(ms);
      return String(ms);
    };
    const opens = (): string | undefined => {
      const opening = this.#oneOf([...real.openings.values()]);
      if (!opening) return undefined;
      const lifeMs = this.#chance(4) > 0 ? undefined : 3_000;
      const thing = new Thing((this.#things += 1), this.#clock.now, lifeMs);
      opening.succeed(thing);
      model.opens(opening.number, thing.id, lifeMs);
      return `${opening.number} -> ${thing.id}`;
    };
    const returns = (): string | undefined => {
      const thing = real.things.get(this.#oneOf([...real.lent.keys()]) ?? 0);
      if (!thing) return undefined;
      thing.isDirty = this.#chance(3) === 0;
      // In an open transaction, say.
      if (thing.isDirty && thing.usable) thing.usable = this.#chance(2) === 0;
      const isDirty = thing.isDirty;
      real.give(thing);
      model.returns(thing.id, isDirty);
      return `${thing.id}${isDirty ? ' dirty' : ''}`;
    };
    const asks = (): string | undefined => {
      if (real.waiting.size >= MOST_WAITING) return undefined;
      const caller = (this.#callers += 1);
      real.ask(caller);
      model.asks(caller);
      return String(caller);
    };
    return {
      asks,
      asksAgain: asks,
      returns,
      returnsAgain: returns,
      opens,
      opensAgain: opens,
      passes,
      passesAgain: passes,
      leaves: () => {
        const caller = this.#oneOf([...real.waiting.keys()]);
        if (caller === undefined) return undefined;
        real.leave(caller);
        model.leaves(caller);
        return String(caller);
      },
      cannotOpen: () => {
        const opening = this.#oneOf([...real.openings.values()]);
        if (!opening) return undefined;
        const mayPass = this.#chance(3) > 0;
        const error = mayPass
          ? new ConnectorError('SERVER_BUSY', { serverMessage: 'too many clients' })
          : new ConnectorError('DATABASE_UNKNOWN', { database: 'x' });
        opening.fail(error);
        model.cannotOpen(opening.number, error.code, mayPass);
        return `${opening.number} ${error.code}`;
      },
      answers: () => this.#answers(),
      breaks: () => {
        const living = [...real.things.values()].filter(({ end, usable }) => end === undefined && usable);
        const thing = this.#chance(4) > 0 ? undefined : this.#oneOf(living);
        if (!thing) return undefined;
        thing.isDirty = false;
        thing.break();
        model.breaks(thing.id);
        return String(thing.id);
      },
      returnsTwice: () => {
        const id = this.#oneOf(model.idle)?.thing.id;
        if (id === undefined) return undefined;
        try {
          real.pool.release(real.things.get(id)!);
        } catch (error) {
          if (error instanceof ConnectorError && error.code === 'INTERNAL') return String(id);
        }
        throw new Error(`${id} was taken back twice`);
      },
    };
  }

  /** One that is being validated or cleaned answers: yes mostly, or no, or fails. */
  #answers(): string | undefined {
    const model = this.#model;
    const checked = this.#oneOf([...model.validating, ...model.cleaning]);
    if (!checked) return undefined;
    const { id } = checked.thing;
    const thing = this.#real.things.get(id)!;
    const isYes = this.#chance(4) > 0;
    const isClean = isYes && this.#chance(8) > 0;
    const isCleaning = model.cleaning.includes(checked);
    if (isCleaning && isClean) {
      thing.isDirty = false;
      if (!checked.thing.isBroken) thing.usable = true;
    }
    thing.answer!(isYes || (this.#chance(2) === 0 ? false : new Error('reset by peer')));
    if (isCleaning) model.cleaned(id, isYes && !thing.isDirty);
    else model.validated(id, isYes);
    return `${id} ${isYes}`;
  }

  async #pass(ms: number): Promise<void> {
    const until = this.#clock.now + ms;
    await this.#clock.passTo(until);
    await settled();
    this.#model.passes(until);
  }

  #compare(): void {
    const real = this.#real;
    const model = this.#model;
    requireEqual('what happened', real.events.toSorted(), model.events.toSorted());
    real.events.length = model.events.length = 0;
    requireEqual('counts', real.pool.counts(), {
      idle: model.idle.length,
      inUse: model.lent.size + model.cleaning.length,
      opening: model.opening.length + model.validating.length,
      waiting: model.line.length,
    });
    requireEqual('loans', sorted(real.lent), sorted([...model.lent].map(([id, { caller }]) => [id, caller])));
    const opening = [...real.openings.values()].filter(({ signal }) => !signal.aborted);
    requireEqual(
      'openings',
      opening.map(({ number }) => number),
      model.opening,
    );
    if (model.size > LIMITS.maxSize) throw new Error('more than its most');
    this.#forget();
  }

  /** What has ended is of no more interest. */
  #forget(): void {
    for (const [id, { end }] of this.#real.things)
      if (end !== undefined && !this.#real.lent.has(id)) this.#real.things.delete(id);
  }

  /** Closes the pool while it is at work: nobody waits on, nothing is left. */
  async close(): Promise<void> {
    const real = this.#real;
    const things = [...real.things.values()];
    let ends = 0;
    const closing = real.pool.close(GRACE_MS).then(() => (ends += 1));
    await settled();
    if (real.waiting.size > 0) throw new Error('somebody waits for a closed pool');
    for (const id of [...real.lent.keys()]) if (this.#chance(2) === 0) real.give(real.things.get(id)!);
    for (const opening of [...real.openings.values()])
      opening.succeed(new Thing((this.#things += 1), this.#clock.now, undefined));
    await settled();
    await this.#clock.passTo(this.#clock.now + GRACE_MS);
    await settled();
    if (ends === 0) throw new Error('it does not end');
    await closing;
    for (const id of [...real.lent.keys()]) real.give(real.things.get(id)!);
    for (const thing of real.things.values()) thing.answer?.(true);
    await settled();
    const left = [...things, ...real.things.values()].filter(({ end }) => end === undefined);
    requireEqual('what is left', [left.map(({ id }) => id), this.#clock.pendingTimers], [[], 0]);
    requireEqual('counts', real.pool.counts(), { idle: 0, inUse: 0, opening: 0, waiting: 0 });
  }

  #oneOf<E>(choices: readonly E[]): E | undefined {
    return choices.length === 0 ? undefined : choices[this.#chance(choices.length)];
  }
}

function sorted(pairs: Iterable<readonly [number, number]>): (readonly [number, number])[] {
  return [...pairs].sort(([a], [b]) => a - b);
}

function requireEqual(what: string, real: unknown, model: unknown): void {
  if (isDeepStrictEqual(real, model)) return;
  throw new Error(`${what}: the pool has ${JSON.stringify(real)}, the model ${JSON.stringify(model)}`);
}

async function main([
  steps = '1000000',
  seed = String(Date.now() % 1_000_000),
]: readonly string[]): Promise<void> {
  Error.stackTraceLimit = 0; // Nobody looks at the stacks of a million refusals.
  const startedAt = performance.now();
  const report = await checkPool(Number(steps), Number(seed), tellProgress(Number(steps), 'steps'));
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log({ seed: Number(seed), differences: 0, ...report, seconds });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
