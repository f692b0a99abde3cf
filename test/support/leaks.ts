/**
 * Root hooks: each file of tests ends with no more handles than it began with. Sockets, servers,
 * timers and child processes that would keep a process alive are counted, not what is unreferenced.
 */
export const mochaHooks = {
  async beforeAll(): Promise<void> {
    await turn();
    before = held();
  },

  async afterAll(): Promise<void> {
    await turn();
    const startedAt = performance.now();
    while (leaks().length > 0 && performance.now() - startedAt < PATIENCE_MS) {
      await turn();
    }
    const left = leaks();
    if (left.length > 0) throw new Error(`the tests left behind: ${left.join(', ')}`);
  },
};

// What a test closes may take a moment to be gone.
const PATIENCE_MS = 3_000;

// mocha's own timer of a hook starts when the hook has given its promise. Both counts are taken after that,
// so that it stands in both.
const turn = () => new Promise((resolve) => setImmediate(resolve));

let before = new Map<string, number>();

function held(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

// The loop above is no leak.
const OWN = new Set(['Immediate']);

function leaks(): string[] {
  return [...held()]
    .filter(([kind, count]) => !OWN.has(kind) && count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${kind} ×${String(count - (before.get(kind) ?? 0))}`);
}
