/** Interleaved measurement: only ratios of one run mean anything on a shared machine. */

/** Middle value of `numbers`. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/**
 * Runs the contestants in turn (A B A B …) for `rounds` rounds, after one round of warming up.
 *
 * @param {Record<string, () => Promise<number>>} contestants each gives its cost in one round
 * @returns {Promise<Record<string, number[]>>} the costs by round
 */
export async function interleave(contestants, rounds) {
  const costs = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(contestants)) {
      const cost = await run();
      if (round >= 0) costs[name].push(cost);
    }
  }
  return costs;
}

/** Nanoseconds that one call of `work` takes, over `calls` calls in a row. */
export async function nanosecondsPerCall(work, calls) {
  const startedAt = process.hrtime.bigint();
  for (let call = 0; call < calls; call += 1) await work();
  return Number(process.hrtime.bigint() - startedAt) / calls;
}

/** The same for `work` that gives its result at once. */
export function nanosecondsPerSyncCall(work, calls) {
  const startedAt = process.hrtime.bigint();
  let results = 0;
  for (let call = 0; call < calls; call += 1) if (work() !== undefined) results += 1;
  if (results !== calls) throw new Error('a call gave nothing');
  return Number(process.hrtime.bigint() - startedAt) / calls;
}

/** What a busy machine alone may cost. */
const SLACK = 0.25;
/**
 * What it never costs: a ratio that falls short by this factor has lost what it measures (reads that share a
 * session, a token that is kept …).
 */
const FAR = 2;

/**
 * Prints a ratio by round and its median against `goal`, the least it should be, and marks the
 * process as failed when the median falls short of it by the factor of 2.
 */
export function reportAtLeast(title, ratios, goal) {
  print(title, ratios, { goal: `at least ${goal}`, shortfall: goal / median(ratios) });
}

/**
 * The same for a `goal` that is the most the ratio should be. A shortfall that `isKnown` is told and
 * does not fail the process.
 */
export function reportAtMost(title, ratios, goal, { isKnown = false } = {}) {
  print(title, ratios, { goal: `at most ${goal}`, shortfall: median(ratios) / goal, isKnown });
}

/** `shortfall` is above 1 where the goal is missed, by that factor. */
function print(title, ratios, { goal, shortfall, isKnown = false }) {
  const isLost = shortfall > FAR && !isKnown;
  const missed = isKnown ? 'missed, as is known' : isLost ? 'MISSED by far' : 'missed';
  const verdict = shortfall <= 1 ? 'reached' : shortfall <= 1 + SLACK ? 'nearly reached' : missed;
  const rounds = ratios.map(shown).join(' ');
  console.log(`${title}: median ${shown(median(ratios))} (rounds ${rounds}), goal ${goal}: ${verdict}`);
  if (isLost) process.exitCode = 1;
}

/** Three digits that count. */
function shown(ratio) {
  return ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3);
}
