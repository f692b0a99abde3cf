import type { AuthorityScript } from './authority/server.js';
import { FaultQueue } from './faults.js';
import { defaultGateScript, type GateScript } from './gate/script.js';
import type { ProxyScript } from './proxy/server.js';

/** Everything that a test can change about the sandbox's behaviour, apart from certificates. */
export interface Script {
  /** For every service that gives tokens. */
  readonly cloud: AuthorityScript;
  readonly gate: GateScript;
  readonly proxy: ProxyScript;
  /** Added to the clock, in ms. */
  clockOffsetMs: number;
}

/** Seconds that Entra's tokens live when no policy says otherwise, less the one it takes to get there. */
const entraLifetimeSeconds = 3599;

/** A script of nothing unusual. */
export const defaultScript = (): Script => ({
  cloud: {
    faults: new FaultQueue(),
    headers: {},
    tokenLifetimeSeconds: entraLifetimeSeconds,
    tokenFormat: 'jwt',
    secretExpired: false,
    tokenResponse: {},
    claims: {},
    discovery: {},
  },
  gate: defaultGateScript(),
  proxy: { mode: 'open' },
  clockOffsetMs: 0,
});

/** Puts a script back to what it was at start, in place. */
export const resetScript = (script: Script): void => {
  const { cloud, gate, proxy, clockOffsetMs } = defaultScript();
  const { faults } = script.cloud;
  faults.clear();
  Object.assign(script.cloud, { ...cloud, faults });
  Object.assign(script.gate, gate);
  Object.assign(script.proxy, proxy);
  script.clockOffsetMs = clockOffsetMs;
};
