// A contestant in a process of its own that stays from round to round, so that what is measured is
// warm: just-in-time compiled, with the token at hand.
import { fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs `work` with a process of `file` for each contestant and ends them all after it. `contestants` gives
 * their arguments by name; `work` gets, by name too, a function that asks for a round and gives its outcome.
 */
export async function withContestants(file, contestants, work) {
  const processes = Object.entries(contestants).map(([name, args]) => [name, fork(file, args)]);
  try {
    await work(Object.fromEntries(processes.map(([name, child]) => [name, roundsOf(name, child)])));
  } finally {
    await Promise.all(processes.map(([, child]) => end(child)));
  }
}

/** The side of the contestant: answers each round that is asked for with what `run` gives. */
export function serveRounds(run) {
  process.on('message', async (parameters) => process.send(await run(...parameters)));
  process.on('disconnect', () => process.exit());
}

function roundsOf(name, child) {
  return async (...parameters) => {
    const over = new AbortController();
    const answer = once(child, 'message', over);
    const exit = once(child, 'exit', over).then(([code]) => {
      throw new Error(`${name} ended with exit code ${code}`);
    });
    child.send(parameters);
    try {
      const [outcome] = await Promise.race([answer, exit]);
      return outcome;
    } finally {
      for (const rest of [answer, exit]) rest.catch(() => undefined);
      over.abort();
    }
  };
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.disconnect();
  await exit;
}
