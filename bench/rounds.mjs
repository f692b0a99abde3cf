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

const SLACK = 0.25;

/**
 * Prints a ratio by round and its median against `goal`, the least it should be, and marks the
 * process as failed when the median falls short of it by more than the slack of 25 %.
 */
export function reportAtLeast(title, ratios, goal) {
  const middle = median(ratios);
  print(title, ratios, `at least ${goal}`, middle >= goal, middle >= goal * (1 - SLACK));
}

/**
 * The same for a `goal` that is the most the ratio should be. A shortfall that `isKnown` is told and
 * does not fail the process.
 */
export function reportAtMost(title, ratios, goal, { isKnown = false } = {}) {
  const middle = median(ratios);
  print(title, ratios, `at most ${goal}`, middle <= goal, middle <= goal * (1 + SLACK), isKnown);
}

function print(title, ratios, goal, isReached, isWithinSlack, isKnown = false) {
  const shortfall = isKnown ? 'missed, as is known' : 'MISSED';
  const verdict = isReached ? 'reached' : isWithinSlack ? 'within slack' : shortfall;
  const rounds = ratios.map(shown).join(' ');
  console.log(`${title}: median ${shown(median(ratios))} (rounds ${rounds}), goal ${goal}: ${verdict}`);
  if (verdict === 'MISSED') process.exitCode = 1;
}

/** Three digits that count. */
function shown(ratio) {
  return ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3);
}
