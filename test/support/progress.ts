/** Told how much is done. */
export type Progress = (done: number) => void;

const EVERY_MS = 10_000;

/** Says on stderr, once in ten seconds, how much of `total` is done; the result of the run stays alone on stdout. */
export function tellProgress(total: number, what: string): Progress {
  let toldAt = performance.now();
  return (done) => {
    if (performance.now() - toldAt < EVERY_MS) return;
    toldAt = performance.now();
    console.error(`${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${what} …`);
  };
}

export const nobody: Progress = () => undefined;
