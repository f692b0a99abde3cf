/**
 * Damages every store of damage.ts in every way: each single bit flipped, each length cut to. It
 * prints what came of it, store by store, and ends with 1 where anything but a typed error or the
 * right key was met, a load took over five seconds, or the event loop stood still for over 100 ms.
 * `npm run fuzz:keystores -- [STEP] [NAME …]` takes every STEP-th damage only, of the stores named.
 */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { damageCount, fateOf, WHOLE_STORES, type WholeStore } from './damage.js';
import { longestStall } from './stores.js';

const MAX_MS = 5_000;
const MAX_STALL_MS = 100;

interface Share {
  readonly first: number;
  readonly step: number;
}

interface Outcome {
  readonly fates: Record<string, number>;
  readonly faults: string[];
  longestMs: number;
  longestStallMs: number;
}

async function damageAll(store: WholeStore, { first, step }: Share): Promise<Outcome> {
  const outcome: Outcome = { fates: {}, faults: [], longestMs: 0, longestStallMs: 0 };
  for (let number = first; number < damageCount(store); number += step) {
    await damageOnce(store, number, outcome);
  }
  return outcome;
}

async function damageOnce(store: WholeStore, number: number, outcome: Outcome): Promise<void> {
  const where = `${store.name}, damage ${number}`;
  try {
    let fate = '';
    const { ms, stallMs } = await measured(async () => {
      fate = await fateOf(store, number);
    });
    outcome.fates[fate] = (outcome.fates[fate] ?? 0) + 1;
    outcome.longestMs = Math.max(outcome.longestMs, ms);
    outcome.longestStallMs = Math.max(outcome.longestStallMs, stallMs);
    if (ms > MAX_MS) outcome.faults.push(`${where}: ${ms.toFixed(0)} ms`);
    if (stallMs > MAX_STALL_MS) outcome.faults.push(`${where}: a stall of ${stallMs.toFixed(0)} ms`);
  } catch (error) {
    outcome.faults.push(`${where}: ${String(error)}`);
  }
}

interface Measure {
  readonly ms: number;
  readonly stallMs: number;
}

// Other work on the machine stalls the loop too: what is slow once is tried again, and the best counts.
async function measured(work: () => Promise<void>, attempts = 6): Promise<Measure> {
  const started = performance.now();
  const stallMs = await longestStall(work);
  const ms = performance.now() - started;
  if (attempts === 1 || (ms <= MAX_MS && stallMs <= MAX_STALL_MS)) return { ms, stallMs };
  const again = await measured(work, attempts - 1);
  return { ms: Math.min(ms, again.ms), stallMs: Math.min(stallMs, again.stallMs) };
}

function inWorker(store: number, share: Share): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { store, share } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function main(step: number, names: readonly string[]): Promise<void> {
  const threads = availableParallelism();
  let [cases, faults] = [0, 0];
  const started = performance.now();
  for (const [index, store] of WHOLE_STORES.entries()) {
    if (names.length > 0 && !names.includes(store.name)) continue;
    const shares = Array.from({ length: threads }, (_, thread) => ({
      first: thread * step,
      step: threads * step,
    }));
    const outcomes = await Promise.all(shares.map((share) => inWorker(index, share)));
    cases += Math.ceil(damageCount(store) / step);
    faults += report(store, outcomes);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${cases} damaged stores in ${seconds} s on ${threads} threads, ${faults} faults`);
  process.exitCode = faults === 0 ? 0 : 1;
}

function report(store: WholeStore, outcomes: readonly Outcome[]): number {
  const fates = new Map<string, number>();
  for (const [fate, count] of outcomes.flatMap((outcome) => Object.entries(outcome.fates))) {
    fates.set(fate, (fates.get(fate) ?? 0) + count);
  }
  const counts = [...fates].map(([fate, count]) => `${fate} ${count}`).join(', ');
  const most = (figure: 'longestMs' | 'longestStallMs') =>
    Math.max(...outcomes.map((outcome) => outcome[figure])).toFixed(0);
  console.log(
    `${store.name}: ${counts}; at most ${most('longestMs')} ms, stall ${most('longestStallMs')} ms`,
  );
  const faults = outcomes.flatMap((outcome) => outcome.faults);
  for (const fault of faults.slice(0, 20)) console.log(`  FAULT ${fault}`);
  return faults.length;
}

if (isMainThread) {
  const [step = '1', ...names] = process.argv.slice(2);
  await main(Number(step), names);
} else {
  const { store, share } = workerData as { store: number; share: Share };
  parentPort?.postMessage(await damageAll(WHOLE_STORES[store]!, share));
}
