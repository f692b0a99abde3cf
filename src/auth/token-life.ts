/** When a token is renewed, used and asked for, as pure functions of its life and of chance. */

/** Milliseconds into its life of `lifetimeMs` at which a token is renewed: 50 to 75 %, spread by `random`. */
export function renewalAgeMs(lifetimeMs: number, random: number): number {
  return lifetimeMs * (0.5 + 0.25 * random);
}

/** The last part of a life of `lifetimeMs` in which a token is not used for a new login: min(60 s, L/10). */
export function unusableTailMs(lifetimeMs: number): number {
  return Math.min(60_000, lifetimeMs / 10);
}

/** Least time between two requests while tokens live `lifetimeMs`: min(30 s, L/4). */
export function spacingMs(lifetimeMs: number): number {
  return Math.min(30_000, lifetimeMs / 4);
}

// After a failure callers get that failure for a while, so that a storm of them makes one request.
export const SHORTEST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 60_000;
/** Between renewals that fail for a reason that does not pass by itself. */
export const PERMANENT_PAUSE_MS = 600_000;

/** Pause after failure number `attempts` (from 1) in a row: full jitter below 2 s, 4 s, 8 s … 60 s, at least 1 s. */
export function pauseMs(attempts: number, random: number): number {
  return Math.max(SHORTEST_PAUSE_MS, random * Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** attempts));
}
