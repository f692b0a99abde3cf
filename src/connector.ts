import { openTokens, type TokenParts } from './auth/index.js';
import type { Fetch } from './auth/network.js';
import type { TokenHealth } from './auth/token-source.js';
import type { TokenStore } from './auth/token-store/index.js';
import { deadline, LONGEST_DELAY_MS, systemClock, type Clock } from './clock.js';
import { Lane } from './connection/lane.js';
import type { PoolCounts } from './connection/pool.js';
import type { DriverOptions } from './connection/driver-options.js';
import { createDriverOptions } from './connection/pool-options.js';
import { SessionProvider, type ConnectionProvider } from './connection/provider.js';
import type { PgSession } from './connection/pg-session.js';
import { Reconnection, type ReconnectionHealth } from './connection/reconnection.js';
import type { Row } from './connection/rows.js';
import { sharePool, type PoolShare } from './connection/shared-pools.js';
import { createDiagnostics, type Diagnostics, type Logger } from './diagnostics.js';
import { asConnectorError, ConnectorError } from './errors.js';
import type { Verbosity } from './event-table.js';
import { runOnLoan, streamOnLoan } from './operations/attempts.js';
import { planOperation, type PlannedOperation } from './operations/index.js';
import { wroteNothing } from './operations/repeat.js';
import { capped, oneMore, shareableRead, type Result } from './operations/run.js';
import {
  explainSettings,
  type ConnectionProperties,
  type ResolvedSettings,
  type Settings,
} from './settings/settings.js';
import type { TestReport } from './stage-walk.js';
import type { TestOptions } from './test-connection.js';

/** What a host or a test may bring along; everything has a default. */
export interface ConnectorOptions {
  /** Receives one line per diagnostic event, free of secrets; in place of `Logfile`. */
  readonly logger?: Logger;
  /** How much is logged, in place of `Verbosity`. */
  readonly verbosity?: Verbosity;
  readonly clock?: Clock;
  /** `fetch` of undici, for the token endpoint. */
  readonly fetch?: Fetch;
  /** Where tokens are kept, in place of `OAuthSettingsLocation`. */
  readonly tokenStore?: TokenStore;
}

export interface CallOptions {
  /** Ends the wait (and the statement at the server) when it aborts. */
  readonly signal?: AbortSignal;
  /** Limit of the whole operation in milliseconds, waiting for a session included; none by default. */
  readonly timeoutMs?: number;
}

export interface StreamOptions extends CallOptions {
  /** Most rows of one batch; 1,000 by default. */
  readonly batchSize?: number;
}

/** State of a connector at this moment. */
export interface Health {
  /** Undefined for a login by password. */
  readonly token: TokenHealth | undefined;
  /** Connectors with the same settings share one pool: these are its counts. */
  readonly pool: PoolCounts;
  /** Present while no session can be opened and `ReconnectionStrategy` tries again. */
  readonly reconnection?: ReconnectionHealth;
  /** Sessions opened since the connector was made, by the pool it shares and for its provider. */
  readonly sessionsOpened: number;
  /** Absent while `Logfile` takes lines, and without one: why they are being lost. */
  readonly log?: { readonly failed: string };
}

/** A configured connection to one database, for any number of callers. */
export interface Connector {
  /** Frozen; prints masked. */
  readonly settings: Settings;
  /** Sessions for hosts that own their lifetime. */
  readonly provider: ConnectionProvider;
  /**
   * Settles with the first session when `ConnectOnOpen` asks for one, else at once.
   *
   * @throws ConnectorError that the login failed with; later operations try again
   */
  ready(): Promise<void>;
  /** Walks through every stage of a login and reports each; never throws. */
  test(options?: TestOptions): Promise<TestReport>;
  /** Runs an operation and gives its whole result. */
  execute(operation: string, input: object, options?: CallOptions): Promise<Result>;
  /** Runs an operation and gives its rows in batches; leaving the loop early ends the statement. */
  stream(operation: string, input: object, options?: StreamOptions): AsyncIterable<Row[]>;
  health(): Health;
  /** Rejects those who wait, gives running operations five seconds, ends all sessions, also those of `provider`. Idempotent. */
  close(): Promise<void>;
}

/**
 * A connector for `properties` (a connection string, or an object of property names and values).
 * No network: the token is requested and sessions are opened when an operation needs them.
 *
 * @throws ConnectorError of type POSTGRESQL:SETTINGS
 */
export function createConnector(properties: ConnectionProperties, options: ConnectorOptions = {}): Connector {
  const resolved = explainSettings(properties);
  return new WiredConnector(resolved, assemble(resolved, options), options);
}

/**
 * Tests `properties` stage by stage. Never throws: settings that cannot be read are a failed
 * first stage. Requests a token of its own, which is kept where `OAuthSettingsLocation` says, and
 * opens a session of its own, which it closes.
 */
export async function testConnection(
  properties: ConnectionProperties,
  options: ConnectorOptions & TestOptions = {},
): Promise<TestReport> {
  const { testSettings } = await import('./test-connection.js');
  return testSettings(
    () => explainSettings(properties),
    (resolved) => assemble(resolved, options),
    options,
  );
}

interface Parts extends TokenParts {
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
}

function assemble({ settings, notes }: ResolvedSettings, options: ConnectorOptions): Parts {
  const clock = options.clock ?? systemClock;
  const { verbosity } = options;
  const { user, host, database } = settings.server;
  const diagnostics = createDiagnostics({
    logger: options.logger,
    log: verbosity === undefined ? settings.log : { ...settings.log, verbosity, isVerbosityGiven: true },
    connection: `${user}@${host}/${database}`,
    clock,
  });
  const tokens = openTokens(settings, { ...options, clock, diagnostics });
  // After everything that may throw: nobody would close the log.
  for (const { text } of notes) diagnostics.report('settings.warning', { text });
  return { clock, diagnostics, ...tokens };
}

const CLOSE_GRACE_MS = 5_000;
const DEFAULT_BATCH_SIZE = 1_000;

class WiredConnector implements Connector {
  readonly settings: Settings;
  readonly provider: SessionProvider;
  readonly #resolved: ResolvedSettings;
  readonly #parts: Parts;
  readonly #options: ConnectorOptions;
  readonly #reconnection: Reconnection;
  readonly #pool: PoolShare;
  readonly #lane: Lane;
  readonly #opened: Promise<void>;
  /** Sessions opened outside the pool. */
  #sessionsProvided = 0;
  #closed: Promise<void> | undefined;

  constructor(resolved: ResolvedSettings, parts: Parts, options: ConnectorOptions) {
    const { settings } = resolved;
    this.settings = settings;
    this.#resolved = resolved;
    this.#parts = parts;
    this.#options = options;
    const reconnection = new Reconnection(settings, parts);
    this.#reconnection = reconnection;
    const open = async (signal?: AbortSignal): Promise<PgSession> => {
      if (this.#closed) throw new ConnectorError('CONNECTOR_CLOSED', {});
      // The driver is loaded by the first session, not by whoever lists what the connector can do.
      const { openSession } = await import('./connection/login.js');
      return openSession({ settings, roles: this.#pool.roles, reconnection, ...parts }, signal);
    };
    this.provider = new SessionProvider({
      open: async (signal) => {
        const session = await open(signal);
        this.#sessionsProvided += 1;
        return session;
      },
      clock: parts.clock,
      timeoutMs: settings.timeoutMs,
    });
    const { clock, fetch, tokenStore } = options;
    const trouble = (): Error | undefined => reconnection.trouble();
    this.#pool = sharePool({ settings, ...parts, open, trouble, injected: [clock, fetch, tokenStore] });
    this.#opened = settings.connectOnOpen
      ? this.#pool.use('ConnectOnOpen', () => Promise.resolve())
      : Promise.resolve();
    this.#lane = new Lane({
      pool: this.#pool,
      clock: parts.clock,
      timeoutMs: settings.timeoutMs,
      waitMs: settings.pool.waitMs,
    });
    // Whoever asks ready() hears of a failure; so does the log.
    this.#opened.catch(() => undefined);
  }

  async ready(): Promise<void> {
    try {
      await this.#opened;
    } catch (error) {
      throw asConnectorError(error);
    }
  }

  async test(options: TestOptions = {}): Promise<TestReport> {
    const { testSettings } = await import('./test-connection.js');
    return testSettings(
      () => this.#resolved,
      (resolved) => assemble(resolved, this.#options),
      options,
    );
  }

  async execute(operation: string, input: object, options: CallOptions = {}): Promise<Result> {
    const { signal, dispose } = this.#limit(options);
    const watch = this.#watch(operation, signal);
    try {
      requireTimeout(operation, options);
      const planned = planOperation(operation, input);
      const result = await this.#run(planned, signal).catch((error: unknown) => {
        if (!this.#pool.roles.seeksWriter || !wroteNothing(planned, error)) throw error;
        this.#parts.diagnostics.report('operation.repeated', { operation });
        return this.#run(planned, signal);
      });
      watch.completed(result.rows.length, result.affectedRows);
      return result;
    } catch (error) {
      throw watch.failed(error);
    } finally {
      dispose();
    }
  }

  async #run(planned: PlannedOperation, signal: AbortSignal | undefined): Promise<Result> {
    const { maxRows, pool, server } = this.settings;
    const hasLane = pool.keepsIdle && server.poolerMode === 'none';
    const statement = hasLane ? shareableRead(planned.plan) : undefined;
    if (!statement) return runOnLoan(this.#pool, planned, { signal, maxRows });
    const limit = maxRows === undefined ? undefined : oneMore(maxRows);
    return capped(await this.#lane.read(statement, { signal, limit }), maxRows);
  }

  async *stream(
    operation: string,
    input: object,
    options: StreamOptions = {},
  ): AsyncGenerator<Row[], void, undefined> {
    const { batchSize = DEFAULT_BATCH_SIZE } = options;
    const { signal, dispose } = this.#limit(options);
    const watch = this.#watch(operation, signal);
    let rows = 0;
    try {
      requireTimeout(operation, options);
      requireBatchSize(operation, batchSize);
      const planned = planOperation(operation, input);
      for await (const batch of streamOnLoan(this.#pool, planned, { signal, batchSize })) {
        rows += batch.length;
        yield batch;
      }
      watch.completed(rows, rows);
    } catch (error) {
      throw watch.failed(error);
    } finally {
      dispose();
    }
  }

  #limit({ signal, timeoutMs = 0 }: CallOptions): { signal?: AbortSignal; dispose: () => void } {
    if (timeoutMs === 0) return { ...(signal && { signal }), dispose: () => undefined };
    // Who has a session is not late because another one cannot be opened.
    const trouble = (): Error | undefined =>
      this.#pool.counts().inUse === 0 ? this.#reconnection.trouble() : undefined;
    const expired = (): Error => new ConnectorError('OPERATION_TIMEOUT', { timeoutMs }, { cause: trouble() });
    return deadline(this.#parts.clock, timeoutMs, expired, signal);
  }

  health(): Health {
    const logProblem = this.#parts.diagnostics.fileProblem();
    const reconnection = this.#reconnection.health();
    return {
      token: this.#parts.tokens?.health(),
      pool: this.#pool.counts(),
      ...(reconnection && { reconnection }),
      sessionsOpened: this.#pool.sessionsOpened + this.#sessionsProvided,
      ...(logProblem !== undefined && { log: { failed: logProblem } }),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The share ends before its tokens: what opens for others is then taken over, not failed.
    const poolEnded = this.#pool.close(CLOSE_GRACE_MS);
    this.#parts.tokens?.close();
    this.#reconnection.close();
    await Promise.all([poolEnded, this.provider.close()]);
    await this.#parts.network.close();
    await this.#parts.diagnostics.close();
  }

  /** Reports how an operation ended. */
  #watch(
    operation: string,
    signal: AbortSignal | undefined,
  ): {
    completed: (rows: number, affectedRows: number) => void;
    failed: (cause: unknown) => ConnectorError;
  } {
    const { clock, diagnostics } = this.#parts;
    const startedAt = clock.steadyMs();
    const ms = (): number => Math.round(clock.steadyMs() - startedAt);
    diagnostics.report('operation.started', { operation });
    return {
      completed(rows, affectedRows) {
        diagnostics.report('operation.completed', { operation, rows, affectedRows, ms: ms() });
      },
      failed(cause) {
        const error = asConnectorError(cause, signal);
        diagnostics.report('operation.failed', { operation, code: error.code, ms: ms() });
        return error;
      },
    };
  }
}

function requireTimeout(operation: string, { timeoutMs = 0 }: CallOptions): void {
  if (timeoutMs >= 0 && timeoutMs <= LONGEST_DELAY_MS) return;
  const problems = `timeoutMs must be a number from 0 (none) to ${String(LONGEST_DELAY_MS)}`;
  throw new ConnectorError('OPERATION_INPUT_INVALID', { operation, problems });
}

function requireBatchSize(operation: string, batchSize: number): void {
  if (Number.isInteger(batchSize) && batchSize >= 1) return;
  const problems = 'batchSize must be a whole number from 1';
  throw new ConnectorError('OPERATION_INPUT_INVALID', { operation, problems });
}
/**
 * A function that gives the token of the moment, for a driver's `password` option. Verifying the
 * server and encrypting the connection are then the caller's duty: whoever receives the token can
 * act as the application. Requests are shared and renewed as in a connector.
 */
export function tokenPassword(
  properties: ConnectionProperties,
  options: ConnectorOptions = {},
): () => Promise<string> {
  const { tokens } = assemble(explainSettings(properties), options);
  if (!tokens) {
    const problems = 'AuthScheme Password has no token; choose a scheme that has one.';
    throw new ConnectorError('PROPERTY_INVALID', { problems }, { properties: ['AuthScheme'] });
  }
  return async () => (await tokens.get()).value.reveal();
}

/**
 * What makes any other pool over `pg` (`pg.Pool`, Knex, Sequelize, TypeORM, BullMQ …) connect as the
 * connector does: over its transport, verified by its rules, with the token of the moment, behind its
 * guard, and with typed errors. docs/other-pools.md shows where each library takes these options.
 *
 * Beside what `pg` needs to connect they hold `application_name`, `options` (of the properties that
 * shape a session those that leave the form of results alone: the library reads these) and
 * `enableChannelBinding` (for a login by password), because the driver would else take them from PG*
 * variables or not at all; a library that does not know them leaves them out. No timeouts: each login
 * ends within `Timeout` by itself. The token goes from this process straight onto the verified
 * stream; the driver never has it, `password` gives it to nobody, and nothing secret shows in
 * `util.inspect` or JSON.
 *
 * A token that the server refuses is replaced and the login repeated once, unseen by the pool. All
 * pools with the same options object share one token and its renewal. There is nothing to close:
 * renewal rests while no connection is open, and no timer or idle socket keeps the process alive.
 *
 * No I/O.
 *
 * @throws ConnectorError of type POSTGRESQL:SETTINGS; what a login fails with reaches the library
 *   as the error of its connection, as it is or as its cause
 */
export function poolOptions(properties: ConnectionProperties, options: ConnectorOptions = {}): DriverOptions {
  const resolved = explainSettings(properties);
  return createDriverOptions({ settings: resolved.settings, ...assemble(resolved, options) });
}
