import { lookup as lookUp, type LookupAddress } from 'node:dns';
import { connect, isIP, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { aborted, type Clock } from '../../clock.js';
import type { Target } from '../../auth/proxy.js';

/** All addresses of a name, in the order of the system's resolver. */
export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

/** What dialling needs of the world. */
export interface DialOptions {
  readonly clock: Clock;
  /** Ends it, whatever has been begun. */
  readonly signal: AbortSignal;
  /** Asked anew for each connection, since a fail-over may be a change of address. */
  readonly lookup?: Lookup | undefined;
}

/**
 * A TCP connection to one of the addresses of `target`. They are tried as RFC 8305 (Happy Eyeballs)
 * says: the families by turns, a further one when the one before has failed or not answered in
 * 250 ms, all that were begun staying in the race. (Node.js itself ends an attempt after that time,
 * and so never reaches a server that takes longer to answer.)
 *
 * @throws the first error of the system; the reason of `signal`
 */
export async function dial(
  target: Target,
  { clock, signal, lookup = allAddresses }: DialOptions,
): Promise<Socket> {
  const { host, port } = target;
  if (isIP(host) !== 0) return race([host], port, clock, signal);
  const found = await Promise.race([lookup(host), aborted(signal)]);
  return race(familiesByTurns(found), port, clock, signal);
}

const lookUpAll = promisify(lookUp);
const allAddresses: Lookup = (host) => lookUpAll(host, { all: true, verbatim: true });

/** RFC 8305 section 4: the first address as the resolver has it, then one of the other family, and so on. */
function familiesByTurns(found: readonly LookupAddress[]): string[] {
  const preferred = found.filter(({ family }) => family === found[0]?.family);
  const others = found.filter(({ family }) => family !== found[0]?.family);
  return found
    .flatMap((_, at) => [preferred[at], others[at]])
    .flatMap((entry) => (entry ? [entry.address] : []));
}

/** RFC 8305 section 8: Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;

function race(
  addresses: readonly string[],
  port: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const attempts = new Set<Socket>();
    const waiting = [...addresses];
    let failure: Error | undefined;
    let cancelDelay = (): void => undefined;
    const finish = (settle: () => void): void => {
      cancelDelay();
      signal.removeEventListener('abort', leave);
      for (const socket of attempts) socket.destroy();
      settle();
    };
    const leave = (): void => {
      finish(() => {
        reject(signal.reason as Error);
      });
    };
    const attempt = (address: string): void => {
      const socket = connect({
        host: address,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 30_000,
      });
      attempts.add(socket);
      // This listener stays: what carries another stream may fail after that one has ended.
      socket.on('error', (error) => {
        if (!attempts.delete(socket)) return;
        failure ??= error;
        next();
      });
      socket.once('connect', () => {
        attempts.delete(socket);
        finish(() => {
          resolve(socket);
        });
      });
    };
    const next = (): void => {
      cancelDelay();
      const address = waiting.shift();
      if (address !== undefined) attempt(address);
      else if (attempts.size === 0)
        finish(() => {
          reject(failure ?? new Error('the name has no address'));
        });
      if (waiting.length > 0) cancelDelay = clock.after(ATTEMPT_DELAY_MS, next);
    };
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    else next();
  });
}
