import { resolve } from 'node:path';
import { delay, type Clock } from '../../clock.js';
import { ConnectorError, describe, isConnectorError, printable } from '../../errors.js';
import type { AccessToken } from '../access-token.js';
import { FileLock, type HeldLock } from './file-lock.js';
import { attempt, systemFiles, type Files } from './files.js';
import { removeLeftovers } from './leftovers.js';
import { keyPrefix, processMemory } from './memory.js';
import type { Seal } from './sealed-text.js';
import { refusedFile, TokenFile, type TokenFileState } from './token-file.js';
import type { StoredToken, TokenRequest, TokenStore, TokenStoreOptions } from './token-store.js';

/** What a look at the file leads to: a token that will do, or a request of our own. */
type Claim = { readonly kind: 'found'; readonly stored: StoredToken } | Turn;

/** The turn to request a token. Without a lock it is kept in memory alone. */
interface Turn {
  readonly kind: 'turn';
  readonly note: string | undefined;
  readonly lock?: HeldLock;
  /** How the file is unreadable, if it is. */
  readonly damage?: string | undefined;
}

const MEMORY_ONLY: Turn = { kind: 'turn', note: undefined };

// CData's driver keeps its own tokens under this name, wherever it was told to; they are never read or written.
const CDATA_FILE = /(^|[\\/])OAuthSettings\.txt$/i;

/**
 * A store that all processes share by naming one file. The file holds one token; docs/token-file.md
 * describes it. What is wrong with the file is warned of once and the token stays in memory; what
 * would be unsafe is refused.
 */
export class FileStore implements TokenStore {
  readonly #options: TokenStoreOptions;
  readonly #clock: Clock;
  readonly #files: Files;
  readonly #path: string;
  readonly #file: TokenFile;
  readonly #lock: FileLock;
  readonly #memoryPrefix: string;
  readonly #warned = new Set<string>();
  #isTidy = false;

  /** @throws ConnectorError TOKEN_FILE_REFUSED for the file of CData's driver */
  constructor(options: TokenStoreOptions) {
    const { location, clock, fingerprint, files = systemFiles } = options;
    const path = resolve(location);
    if (CDATA_FILE.test(path)) throw refusedFile(path, "CData's own driver keeps its tokens under this name");
    this.#options = options;
    this.#clock = clock;
    this.#files = files;
    this.#path = path;
    this.#file = new TokenFile({
      path,
      files,
      clock,
      onNarrowed: () => this.#warn('was open to other accounts; now only its owner may read it'),
    });
    this.#lock = new FileLock(path, { files, clock });
    this.#memoryPrefix = keyPrefix(path, fingerprint);
  }

  get(key: string): AccessToken | undefined {
    return this.#kept(key)?.token;
  }

  obtain(key: string, wanted: TokenRequest): Promise<AccessToken> {
    return processMemory.obtain(this.#memoryPrefix + key, wanted, () => this.#produce(key, wanted));
  }

  #kept(key: string): StoredToken | undefined {
    return processMemory.get(this.#memoryPrefix + key);
  }

  async #produce(key: string, { accepts, request, signal }: TokenRequest): Promise<StoredToken> {
    const seal = await this.#seal();
    const claim = await this.#claim(seal, accepts, signal);
    if (claim.kind === 'found') return claim.stored;
    try {
      const stored = await request(claim.note ?? this.#kept(key)?.note);
      if (claim.lock) await this.#save(stored, seal, claim.damage);
      return stored;
    } finally {
      await claim.lock?.release();
    }
  }

  async #seal(): Promise<Seal> {
    const { keyMaterial, fingerprint } = this.#options;
    const material = await keyMaterial();
    if (material) return { material, fingerprint };
    const problem =
      'nothing can encrypt it there: OAuthSettingsKey is not set, and there is neither a client secret of 32 characters or more nor a private key';
    throw new ConnectorError(
      'TOKEN_FILE_KEY_MISSING',
      { path: this.#path, problem },
      { properties: ['OAuthSettingsKey', 'OAuthSettingsLocation'] },
    );
  }

  /** Looks into the file and for the lock by turns until one of them gives an answer. */
  async #claim(
    seal: Seal,
    accepts: TokenRequest['accepts'],
    signal: AbortSignal | undefined,
  ): Promise<Claim> {
    try {
      await this.#file.requireSafeFolder();
      await this.#tidy();
      for (let looks = 0; ; looks += 1) {
        const claim =
          this.#judge(await this.#file.read(seal), accepts) ?? (await this.#tryLock(seal, accepts));
        if (claim) return claim;
        await delay(this.#clock, pauseMs(looks, this.#clock.random()), signal);
        signal?.throwIfAborted();
      }
    } catch (error) {
      if (signal?.aborted || isConnectorError(error)) throw error;
      this.#warn(`cannot be used (${describe(error)}); the token is kept in memory only`);
      return MEMORY_ONLY;
    }
  }

  /** The claim that `state` leads to without a lock, if it does. */
  #judge(state: TokenFileState, accepts: TokenRequest['accepts']): Claim | undefined {
    if (state.kind === 'token' && accepts(state.stored.token)) return { kind: 'found', stored: state.stored };
    if (state.kind !== 'foreign') return undefined;
    this.#warn(
      `${state.problem}; it stays as it is and the token is kept in memory only. Remove it or name another one`,
    );
    return MEMORY_ONLY;
  }

  /** The claim under the lock; undefined while somebody else holds it. */
  async #tryLock(seal: Seal, accepts: TokenRequest['accepts']): Promise<Claim | undefined> {
    const lock = await this.#lock.tryAcquire();
    if (!lock) return undefined;
    let claim: Claim | undefined;
    try {
      // The one who held it before has perhaps left a token.
      const state = await this.#file.read(seal);
      claim = this.#judge(state, accepts) ?? {
        kind: 'turn',
        lock,
        note: state.kind === 'token' ? state.stored.note : undefined,
        damage: state.kind === 'damaged' ? state.problem : undefined,
      };
      return claim;
    } finally {
      if (!claim || !('lock' in claim)) await lock.release();
    }
  }

  async #save(stored: StoredToken, seal: Seal, damage: string | undefined): Promise<void> {
    try {
      if (damage !== undefined) {
        const aside = await this.#file.setAside();
        this.#warn(`${damage}; it is replaced, ${aside} keeps the first such file`);
      }
      await this.#file.write(stored, seal);
      this.#warned.clear();
    } catch (error) {
      this.#warn(`cannot be written (${describe(error)}); the token is kept in memory only`);
    }
  }

  /** Removes what killed processes left, once: at the start of this one. */
  async #tidy(): Promise<void> {
    if (this.#isTidy) return;
    this.#isTidy = true;
    await attempt(removeLeftovers(this.#path, this.#files, this.#clock.wallMs()));
    await attempt(this.#lock.clear());
  }

  #warn(problem: string): void {
    if (this.#warned.has(problem)) return;
    this.#warned.add(problem);
    this.#options.onWarning?.(printable(`OAuthSettingsLocation: the file ${this.#path} ${problem}.`));
  }
}

/** Pause after look number `looks` (from 0): 20 ms, 40 ms … 200 ms, of which up to the half falls away. */
function pauseMs(looks: number, random: number): number {
  return Math.min(200, 20 * 2 ** Math.min(looks, 4)) * (1 - random / 2);
}
