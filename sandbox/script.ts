import type { AuthorityScript } from './authority/server.js';
import { FaultQueue } from './faults.js';
import { defaultGateScript, type GateScript } from './gate/script.js';

/** Everything that a test can change about the sandbox's behaviour, apart from certificates. */
export interface Script {
  readonly authority: AuthorityScript;
  readonly gate: GateScript;
  /** Added to the clock, in ms. */
  clockOffsetMs: number;
}

/** Seconds that Entra's tokens live when no policy says otherwise, less the one it takes to get there. */
const entraLifetimeSeconds = 3599;

/** A script of nothing unusual. */
export const defaultScript = (): Script => ({
  authority: {
    faults: new FaultQueue(),
    tokenLifetimeSeconds: entraLifetimeSeconds,
    secretExpired: false,
    tokenResponse: {},
    claims: {},
    discovery: {},
  },
  gate: defaultGateScript(),
  clockOffsetMs: 0,
});

/** Puts a script back to what it was at start, in place. */
export const resetScript = (script: Script): void => {
  const { authority, gate, clockOffsetMs } = defaultScript();
  const { faults } = script.authority;
  faults.clear();
  Object.assign(script.authority, { ...authority, faults });
  Object.assign(script.gate, gate);
  script.clockOffsetMs = clockOffsetMs;
};
