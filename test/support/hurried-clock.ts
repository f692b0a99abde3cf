import { systemClock, type Clock } from '#src/clock.js';

/** The system's clock, on which time passes so many `times` faster: for limits that are to run out beside real sockets. */
export function hurriedClock(times: number): Clock {
  return {
    ...systemClock,
    steadyMs: () => systemClock.steadyMs() * times,
    after: (delayMs, task, options) => systemClock.after(delayMs / times, task, options),
  };
}
