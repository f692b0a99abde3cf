import { spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { accessRules } from './access.js';
import type { Account } from './account.js';
import type { Binaries } from './binaries.js';
import type { QueryRows } from './query.js';

/** Where and how a server is to run. */
export interface PostgresParts {
  readonly binaries: Binaries;
  /** Who runs it; undefined: we ourselves. */
  readonly account: Account | undefined;
  /** Folder for its files, existing, owned by the account, mode 0700. */
  readonly directory: string;
  /** Folder for its unix socket, likewise; whoever can enter it is let in as any role. */
  readonly socketDirectory: string;
  /** Additional settings, as for `postgres -c`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What the server needs to listen on TCP, if it shall; made while the cluster is. */
  readonly listener?: Promise<Listener | undefined>;
}

/** A TCP port of the server, and what belongs to it. */
export interface Listener {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Lines of pg_hba.conf. */
  readonly accessRules: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Variables of the server's processes. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A PostgreSQL server on a unix socket, and on TCP if it was given a listener. */
export interface Postgres {
  readonly socketDirectory: string;
  /** Names the socket file `.s.PGSQL.<port>`, and is the TCP port if there is one. */
  readonly port: number;
  /** Path of the socket file. */
  readonly socket: string;
  /** Rows of a statement run as superuser, in the database `postgres` unless another one is named. */
  query: QueryRows;
  /** Stops the server, which ends its sessions with 57P01, and starts it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Time for initdb, and for a start, in ms. A second each is usual; a loaded machine takes several. */
const startLimitMs = 30_000;

/** Time for a fast shutdown before it becomes an immediate one, in ms. */
const stopLimitMs = 5_000;

/** Names the socket where no TCP port does. */
const usualPort = 5432;

/** Where the postmaster of a server in this folder writes its process id. */
export const pidFileOf = (directory: string): string => path.join(directory, 'data', 'postmaster.pid');

/** Makes a new database cluster and starts its server. Rejects with the server's own last words if that fails. */
export const startPostgres = async (parts: PostgresParts): Promise<Postgres> => {
  await initialise(parts);
  return resumePostgres(parts);
};

/** Starts the server of the cluster that is there already, in the folder `data`. */
export const resumePostgres = async (parts: PostgresParts): Promise<Postgres> => {
  const listener = await parts.listener;
  const port = listener?.port ?? usualPort;
  await writeFile(
    path.join(parts.directory, 'data', 'pg_hba.conf'),
    accessRules + (listener?.accessRules ?? ''),
  );
  let running = await launch(parts, port, listener);
  const pools = new Map<string, pg.Pool>();
  const poolFor = (database: string): pg.Pool => {
    const known = pools.get(database);
    if (known) return known;
    const pool = new pg.Pool({
      host: parts.socketDirectory,
      port,
      user: 'postgres',
      database,
      ssl: false,
      max: 8,
    });
    pool.on('error', () => undefined);
    pools.set(database, pool);
    return pool;
  };
  const endPools = async (): Promise<void> => {
    const ending = [...pools.values()].map((pool) => pool.end());
    pools.clear();
    await Promise.all(ending);
  };
  const stop = async (): Promise<void> => {
    const poolsEnded = endPools();
    await running.stop();
    await poolsEnded;
  };
  return {
    socketDirectory: parts.socketDirectory,
    port,
    socket: path.join(parts.socketDirectory, `.s.PGSQL.${port}`),
    query: async <Row>(sql: string, values?: readonly unknown[], { database = 'postgres' } = {}) => {
      const { rows } = await poolFor(database).query(sql, values && [...values]);
      return rows as Row[];
    },
    restart: async () => {
      await stop();
      running = await launch(parts, port, listener);
    },
    stop,
  };
};

/**
 * initdb wants to know our user's name. A user without one, as containers have them, runs it in a user namespace
 * of Linux in which he has the number of `nobody`.
 */
const namelessUser = ['--user', '--map-user=65534', '--map-group=65534'];

const initialise = async ({ binaries, account, directory }: PostgresParts): Promise<void> => {
  const data = path.join(directory, 'data');
  await mkdir(data, { mode: 0o700 });
  if (account) await chown(data, account.uid, account.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const quick = ['--no-sync', '--no-instructions', '--wal-segsize=1'];
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', ...locale, ...quick];
  const place = { account, directory };
  let [code, words] = await ending(start(binaries.initdb, args, place));
  if (code !== 0 && words.some((line) => line.includes('could not look up effective user ID'))) {
    [code, words] = await ending(start('unshare', [...namelessUser, binaries.initdb, ...args], place));
  }
  if (code !== 0) throw new Error(`initdb failed (${code}): ${words.join('\n')}`);
};

/** A server process that accepts connections. */
interface Running {
  stop(): Promise<void>;
}

const launch = async (
  parts: PostgresParts,
  port: number,
  listener: Listener | undefined,
): Promise<Running> => {
  const { binaries, directory, account } = parts;
  const settings = Object.entries({
    ...baseSettings(parts.socketDirectory, port),
    ...listener?.settings,
    ...parts.settings,
  });
  const child = start(
    binaries.postgres,
    ['-D', path.join(directory, 'data'), ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { account, directory, environment: listener?.environment },
  );
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await readiness(child);
  child.unref();
  return {
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGQUIT'), stopLimitMs);
      await exited;
      clearTimeout(timer);
    },
  };
};

/** Small, without regard for a power failure, and quiet; every session in UTC. */
const baseSettings = (socketDirectory: string, port: number): Record<string, string> => ({
  listen_addresses: '',
  unix_socket_directories: socketDirectory,
  port: String(port),
  max_connections: '300',
  shared_buffers: '32MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '1GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
});

/**
 * Starts a program of PostgreSQL in its own session, so that a Ctrl-C in the terminal reaches us alone, in a folder
 * it can enter, and with nothing of our environment that could change what it does.
 */
const start = (
  file: string,
  args: readonly string[],
  {
    account,
    directory,
    environment,
  }: {
    readonly account: Account | undefined;
    readonly directory: string;
    readonly environment?: Readonly<Record<string, string>> | undefined;
  },
): ChildProcess =>
  spawn(file, args, {
    ...account,
    cwd: directory,
    detached: true,
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });

/** Resolves when the server says that it is ready; rejects with its last lines when it ends, or takes too long. */
const readiness = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    const words = lastLines(child, (line) => {
      if (/ready to accept (read-only )?connections/.test(line)) settle(resolve);
    });
    const fail = (reason: string): void =>
      settle(() => reject(new Error(`PostgreSQL ${reason}: ${words.join('\n')}`)));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`was not ready after ${startLimitMs} ms`);
    }, startLimitMs);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      how();
    };
    child.once('error', (error) => fail(`could not be started (${error.message})`));
    child.once('close', (code) => fail(`ended (${code})`));
  });

/** Exit code and last lines of a program that runs to its end. */
const ending = (child: ChildProcess): Promise<[number | null, readonly string[]]> =>
  new Promise((resolve, reject) => {
    const words = lastLines(child);
    const timer = setTimeout(() => child.kill('SIGKILL'), startLimitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve([code, words]);
    });
  });

/** The last 40 lines that the program wrote to stderr, kept up to date as it goes on. */
const lastLines = (
  child: ChildProcess,
  onLine: (line: string) => void = () => undefined,
): readonly string[] => {
  const lines: string[] = [];
  if (child.stderr === null) return lines;
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 40) lines.shift();
    onLine(line);
  });
  (child.stderr as Partial<{ unref(): void }>).unref?.();
  return lines;
};
