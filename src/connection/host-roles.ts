import type { Clock } from '../clock.js';
import type { ServerHost, ServerSettings, TargetServer } from '../settings/settings.js';

/** What a server is at this moment. `read-only`: no standby, and yet its transactions cannot write. */
export type ServerRole = 'primary' | 'standby' | 'read-only';

/** Where a session is, as its server saw it last. */
export interface Placement {
  /** Whether sessions that were opened when this one was may still be lent. */
  readonly isCurrent: boolean;
  /** Told when the server refused a write (SQLSTATE 25006). */
  refusedWrite(): void;
  /** Told when the connection ended by itself. */
  lost(): void;
}

/** How long the role of a host is remembered, in milliseconds; as pgjdbc's hostRecheckSeconds. */
const ROLE_MEMORY_MS = 10_000;
/** The same for a host that could not be used: to find that out again may cost a good part of Timeout. */
const FAILURE_MEMORY_MS = 60_000;

interface Memory {
  readonly state: ServerRole | 'unreachable';
  readonly untilMs: number;
}

/**
 * What one connector learned of the hosts of `Server`, for a short time: a login begins where it
 * will probably succeed. Forgotten as soon as a server loses a session or refuses a write, since
 * both may be the first sign of a fail-over.
 */
export class HostRoles {
  readonly #server: ServerSettings;
  readonly #clock: Clock;
  readonly #known = new Map<ServerHost, Memory>();
  /** How often a host refused writes; sessions from before the last time are given up. */
  readonly #refusals = new Map<ServerHost, number>();

  constructor(server: ServerSettings, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  /**
   * Whether a refused write means that this is the wrong server: another one is to be found, and
   * nobody asked for a standby or for sessions that only read.
   */
  get seeksWriter(): boolean {
    const { target, hosts, readOnly } = this.#server;
    return !readOnly && (target === 'primary' || (target === 'any' && hosts.length > 1));
  }

  /** All hosts: first those that fitted last, then those nothing is known of, each in the order given. */
  inOrder(): readonly ServerHost[] {
    return this.#server.hosts.toSorted((a, b) => this.#rank(a) - this.#rank(b));
  }

  /** Remembers how `host` was found; undefined: it let us in, and did not tell its role. */
  note(host: ServerHost, state: Memory['state'] | undefined): void {
    if (state === undefined) {
      this.#known.delete(host);
      return;
    }
    const memoryMs = state === 'unreachable' ? FAILURE_MEMORY_MS : ROLE_MEMORY_MS;
    this.#known.set(host, { state, untilMs: this.#clock.steadyMs() + memoryMs });
  }

  /** For a session that is being opened at `host`. */
  placementAt(host: ServerHost): Placement {
    const refusals = (): number => this.#refusals.get(host) ?? 0;
    const atOpening = refusals();
    const isCurrent = (): boolean => refusals() === atOpening;
    return {
      get isCurrent() {
        return isCurrent();
      },
      refusedWrite: () => {
        if (!this.seeksWriter || !isCurrent()) return;
        this.#refusals.set(host, atOpening + 1);
        this.#known.clear();
        this.note(host, 'read-only');
      },
      lost: () => {
        this.#known.clear();
      },
    };
  }

  #rank(host: ServerHost): number {
    const memory = this.#known.get(host);
    if (!memory || memory.untilMs <= this.#clock.steadyMs()) return 1;
    if (memory.state === 'unreachable') return 2;
    const { target } = this.#server;
    if (target === 'any') return memory.state === 'read-only' ? 2 : 1;
    return fits(memory.state, target) ? 0 : 2;
  }
}

/** Whether a server of this role is what `target` asks for; for `prefer-standby` a standby alone is. */
export function fits(role: ServerRole, target: TargetServer): boolean {
  return target === 'any' || role === (target === 'primary' ? 'primary' : 'standby');
}

/** `host` as in `Server`. */
export function textOf({ host, port }: ServerHost): string {
  return `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
}
