/** Watches how long the event loop is held. */
export interface StallWatch {
  /** Ends the watch; the longest time in milliseconds for which the loop was held. */
  end(): number;
}

const TICK_MS = 5;

/**
 * Looks at the clock every 5 ms. A late look counts only as far as this process worked meanwhile: on a
 * machine that others use too, a pause of ours may be their work.
 */
export function watchStalls(): StallWatch {
  let longestMs = 0;
  let last = { wall: performance.now(), cpu: process.cpuUsage() };
  const look = (): void => {
    const { user, system } = process.cpuUsage(last.cpu);
    const lateMs = performance.now() - last.wall - TICK_MS;
    longestMs = Math.max(longestMs, Math.min(lateMs, (user + system) / 1_000));
    last = { wall: performance.now(), cpu: process.cpuUsage() };
  };
  const timer = setInterval(look, TICK_MS);
  return {
    end: () => {
      clearInterval(timer);
      look();
      return longestMs;
    },
  };
}
