import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type AccessToken, restoreToken } from '#src/auth/access-token.js';
import {
  openTokenStore,
  type StoredToken,
  type TokenRequest,
  type TokenStore,
} from '#src/auth/token-store/index.js';
import { newOwner } from '#src/auth/token-store/owner.js';
import type { Clock } from '#src/clock.js';
import { FakeClock } from '../../support/fake-clock.js';

export const HOUR = 3_600_000;
export const MATERIAL = Buffer.from('0123456789abcdef0123456789abcdef');
export const FINGERPRINT = 'authority tenant client scope secret';

type Options = Partial<Parameters<typeof openTokenStore>[0]>;

/** The store at `location`, with settings that a test need not care about. */
export function openStore(location: string, options: Options = {}): TokenStore {
  return openTokenStore({
    location,
    clock: new FakeClock(),
    fingerprint: FINGERPRINT,
    keyMaterial: async () => MATERIAL,
    ...options,
  });
}

/** A token of `value` that `clock` sees beginning an hour of life. */
export function tokenOf(value: string, clock: Clock, lifetimeMs = HOUR): AccessToken {
  return restoreToken(value, { lifetimeMs, expiresAtWallMs: clock.wallMs() + lifetimeMs }, clock);
}

/** Gives paths, each in a folder of its own where nothing is yet; all are removed at the end of the file. */
export function usePaths(): () => string {
  let folder = '';
  let paths = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'token-store-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  return () => {
    const own = join(folder, String(++paths));
    mkdirSync(own, { mode: 0o700 });
    return join(own, 'token');
  };
}

/** What stands in the folder of `path`, sorted. */
export async function namesBeside(path: string): Promise<string[]> {
  return (await readdir(dirname(path))).sort();
}

/** Puts the token `value` into the file at `path`; gives `path`. */
export async function filled(path: string, value = 'first'): Promise<string> {
  await new Sharer(path).obtain(value);
  return path;
}

let processes = 0;

/**
 * One of several processes that share a file: its memory is its own (stores of one process share theirs by
 * path, fingerprint and key, so each has a key of its own), the file is everybody's.
 */
export class Sharer {
  readonly clock: FakeClock;
  readonly warnings: string[] = [];
  readonly store: TokenStore;
  readonly #key = `process ${String(++processes)}`;
  requests = 0;
  /** What the file remembered, as each request got it. */
  readonly notes: (string | undefined)[] = [];
  note: string | undefined;

  constructor(path: string, { clock = new FakeClock(), ...options }: Options & { clock?: FakeClock } = {}) {
    this.clock = clock;
    this.store = openStore(path, { clock, onWarning: (text) => this.warnings.push(text), ...options });
  }

  /** The value of the token it comes to; its own requests give `value`. */
  async obtain(value: string, wanted: Partial<TokenRequest> = {}): Promise<string> {
    const token = await this.store.obtain(this.#key, {
      accepts: (kept) => kept.expiresAtMs > this.clock.steadyMs(),
      request: async (note) => {
        this.requests += 1;
        this.notes.push(note);
        return this.answer(value);
      },
      ...wanted,
    });
    return token.value.reveal();
  }

  /** Requests a token whatever is kept. */
  renew(value: string): Promise<string> {
    return this.obtain(value, { accepts: () => false });
  }

  get kept(): AccessToken | undefined {
    return this.store.get(this.#key);
  }

  answer(value: string): StoredToken {
    const token = tokenOf(value, this.clock);
    return this.note === undefined ? { token } : { token, note: this.note };
  }
}

/** An owner like those of this process, with `parts` of its name replaced. */
export function ownerWith(parts: { place?: string; pid?: string; birth?: string }): string {
  const [place = '', pid = '', birth = '', random = ''] = newOwner().split('-');
  return [parts.place ?? place, parts.pid ?? pid, parts.birth ?? birth, random].join('-');
}
