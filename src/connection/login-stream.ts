import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { AccessToken } from '../auth/access-token.js';
import { startBudget } from '../clock.js';
import { asConnectorError, ConnectorError, isConnectorError } from '../errors.js';
import { tlsFacts } from '../tls-facts.js';
import { foreignStartup, optionsChanged } from './foreign-startup.js';
import { Guard } from './guard.js';
import type { LoginParts } from './login.js';
import { proofOf, secretOf, tokenInTime } from './login-proof.js';
import { isLoginRefusal, loginError, type LoginFacts } from './pg-error.js';
import { foreignStartupOptions } from './session-settings.js';
import {
  errorIn,
  isCancelRequest,
  passwordMessage,
  requestsCleartext,
  startupValue,
} from './startup-messages.js';
import { openTransport, type Wait } from './transport.js';

/** What a login stream tells while it lives. */
export interface LoginStreamEvents {
  /** It begins to connect. */
  readonly onConnecting: () => void;
  /** It is closed; once, and only after `onConnecting`. */
  readonly onClosed: () => void;
}

/**
 * The stream that a `pg` of others takes for a socket. `connect()` gets the token of the moment and
 * opens the verified transport; then the driver talks through a {@link Guard}. The stream answers the
 * request for the token itself, so that the driver never holds it, and turns what the server says
 * against the login into a ConnectorError. A token that was already in use and is refused is
 * replaced and the login repeated, once, without the driver noticing. Of the driver's startup packet
 * only what is meant reaches the server ({@link foreignStartup}).
 *
 * From `connect()` to the first ReadyForQuery everything has to happen within `Timeout` (the token,
 * and then the rest), or the stream ends with TOKEN_TIMEOUT or CONNECT_TIMEOUT.
 */
export class LoginStream extends EventEmitter {
  readonly #options: LoginParts;
  readonly #events: LoginStreamEvents;
  readonly #misuse: string | undefined;
  readonly #closing = new AbortController();
  #startedAtMs = 0;
  #guard: Guard | undefined;
  #token: AccessToken | undefined;
  /** The first message, for another try. */
  #startup: Buffer | undefined;
  #isSecondTry = false;
  #isLoggedIn = false;
  #backendId = 0;
  #stopLimit = (): void => undefined;
  /** What channel binding needs of an encrypted stream. */
  declare getPeerCertificate?: TLSSocket['getPeerCertificate'];

  /** `misuse` is why no connection can be made. */
  constructor(options: LoginParts, events: LoginStreamEvents, misuse?: string) {
    super();
    this.#options = options;
    this.#events = events;
    this.#misuse = misuse;
  }

  /** Whether what is written reaches the server: false until 'connect' was emitted. */
  get writable(): boolean {
    return this.#guard?.writable === true;
  }

  /** Whether a login is going on over it: the server is verified, and has not let us in yet. */
  get isLoggingIn(): boolean {
    return this.#guard !== undefined && !this.#isLoggedIn;
  }

  /** Begins the login; `port` and `host` are what the driver believes to reach, and must be those of the settings. */
  connect(port: unknown, host: unknown): this {
    this.#events.onConnecting();
    this.#startedAtMs = this.#options.clock.steadyMs();
    const problem = this.#misuse ?? this.#addressProblem(port, host);
    if (problem === undefined) void this.#open();
    else this.destroy(optionsChanged(problem));
    return this;
  }

  write(data: Buffer, callback?: (error?: Error | null) => void): boolean {
    if (!this.#guard) {
      callback?.(new ConnectorError('CONNECTION_LOST', { ...this.#address(), problem: 'it is not open' }));
      return false;
    }
    if (this.#isLoggedIn || this.#startup) return this.#guard.write(data, callback);
    try {
      this.#startup = foreignStartup(data, foreignStartupOptions(this.#options.settings.server));
    } catch (error) {
      this.destroy(error as Error);
      callback?.(error as Error);
      return false;
    }
    return this.#guard.write(this.#startup, callback);
  }

  end(): this {
    if (this.#guard) this.#guard.end();
    else this.destroy(new ConnectorError('CANCELLED', {}));
    return this;
  }

  /** Ends the stream at once, whatever it is about. Idempotent. */
  destroy(error?: Error): this {
    const isGivenUp = this.#closing.signal.aborted;
    this.#closing.abort(new ConnectorError('CANCELLED', {}));
    if (this.#guard) this.#guard.destroy(error);
    else if (!isGivenUp) {
      // As a socket does it: those who listen hear of it after the call.
      process.nextTick(() => {
        if (error) this.#fail(error);
        this.#closed();
      });
    }
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  cork(): void {
    this.#guard?.cork();
  }

  uncork(): void {
    this.#guard?.uncork();
  }

  ref(): this {
    this.#guard?.ref();
    return this;
  }

  unref(): this {
    this.#guard?.unref();
    return this;
  }

  async #open(): Promise<void> {
    const { settings, tokens, clock, diagnostics } = this.#options;
    const { signal } = this.#closing;
    try {
      this.#token = tokens && (await tokenInTime(tokens, this.#options, signal));
      const wait: Wait = { clock, budget: startBudget(clock, settings.timeoutMs), signal };
      const socket = await openTransport(settings.server, wait);
      if (signal.aborted) {
        socket.destroy();
        return;
      }
      const tls = tlsFacts(socket);
      if (tls) diagnostics.report('tls.established', { host: settings.server.host, ...tls });
      this.#limitLogin(wait);
      const proof = proofOf(socket, secretOf(this.#token, settings), settings);
      this.#attach(new Guard(socket, settings.server, proof, () => undefined));
    } catch (error) {
      this.destroy(asConnectorError(error, signal));
    }
  }

  #addressProblem(port: unknown, host: unknown): string | undefined {
    const { server } = this.#options.settings;
    const isOurs = port === server.port && host === server.host;
    return isOurs ? undefined : 'its host and port are not those of the properties';
  }

  #limitLogin({ clock, budget }: Wait): void {
    const { totalMs: timeoutMs } = budget;
    if (timeoutMs === 0) return;
    this.#stopLimit = clock.after(budget.remainingMs(), () => {
      this.destroy(
        new ConnectorError('CONNECT_TIMEOUT', { ...this.#address(), stage: 'the login', timeoutMs }),
      );
    });
  }

  #attach(guard: Guard): void {
    this.#guard = guard;
    if (guard.getPeerCertificate) this.getPeerCertificate = guard.getPeerCertificate;
    guard.on('data', (bytes: Buffer) => {
      if (this.#isLoggedIn) this.emit('data', bytes);
      else this.#receiveLogin(guard, bytes);
    });
    guard.on('error', (error: Error) => {
      this.#fail(error);
    });
    guard.on('end', () => {
      this.#ended();
    });
    guard.on('close', () => {
      this.#closed();
    });
    guard.on('drain', () => this.emit('drain'));
    if (this.#startup) guard.write(this.#startup);
    else this.emit('connect');
  }

  // Until the login is complete the guard gives each message by itself. What is thrown here ends the stream.
  #receiveLogin(guard: Guard, message: Buffer): void {
    switch (message.toString('latin1', 0, 1)) {
      case 'R':
        if (this.#token && requestsCleartext(message)) guard.write(passwordMessage(this.#token.value));
        else this.emit('data', message);
        return;
      case 'E':
        this.#refused(guard, message);
        return;
      case 'K':
        this.#backendId = message.readInt32BE(5);
        break;
      case 'Z':
        this.#loggedIn();
        break;
    }
    this.emit('data', message);
  }

  #loggedIn(): void {
    const { clock, diagnostics } = this.#options;
    this.#isLoggedIn = true;
    this.#stopLimit();
    const ms = Math.round(clock.steadyMs() - this.#startedAtMs);
    diagnostics.report('session.opened', { id: this.#backendId, user: this.#facts().user, ms });
    this.#token = undefined;
    this.#startup = undefined;
    this.emit('ready');
  }

  #refused(guard: Guard, message: Buffer): void {
    const error = loginError(errorIn(message), this.#facts());
    if (!isLoginRefusal(error) || !this.#mayTryAgain()) throw error;
    this.#isSecondTry = true;
    this.#stopLimit();
    this.#guard = undefined;
    guard.removeAllListeners().on('error', () => undefined);
    guard.destroy();
    void this.#open();
  }

  #mayTryAgain(): boolean {
    const { tokens } = this.#options;
    const token = this.#token;
    const isFresh = !token || token.obtainedAtMs >= this.#startedAtMs;
    return !this.#isSecondTry && !isFresh && tokens?.reject(token) === true;
  }

  #facts(): LoginFacts {
    const { user, database } = this.#options.settings.server;
    return {
      user: startupValue(this.#startup, 'user') ?? user,
      database: startupValue(this.#startup, 'database') ?? database,
      isToken: this.#token !== undefined,
      demand: this.#guard?.demand,
    };
  }

  #ended(): void {
    if (this.#isLoggedIn || this.#closing.signal.aborted) this.emit('end');
    else
      this.destroy(
        new ConnectorError('CONNECTION_LOST', { ...this.#address(), problem: 'closed during the login' }),
      );
  }

  #fail(error: Error): void {
    // Who asks for a cancellation listens to nothing: the server answers by closing.
    if (isCancelRequest(this.#startup)) return;
    if (!this.#isLoggedIn && isConnectorError(error)) {
      const { code, message } = error;
      this.#options.diagnostics.report('login.failed', { code, message });
    }
    this.emit('error', error);
  }

  #closed(): void {
    this.#stopLimit();
    if (this.#isLoggedIn)
      this.#options.diagnostics.report('session.closed', {
        id: this.#backendId,
        reason: 'its stream is closed',
      });
    this.#events.onClosed();
    this.emit('close');
  }

  #address(): { host: string; port: number } {
    const { host, port } = this.#options.settings.server;
    return { host, port };
  }
}
