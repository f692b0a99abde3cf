import { isIPv6 } from 'node:net';
import { asciiNameOf, isHostName } from './host-name.js';
import type { ValueReader } from './value-reader.js';

/** Where a server listens. */
export interface ServerHost {
  /** A name in ASCII or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Which of several servers sessions are for. */
export type TargetServer = 'any' | 'primary' | 'standby' | 'prefer-standby';

/** Most hosts that `Server` may name. */
export const MOST_HOSTS = 16;

const RULE =
  'must be a host name or an IP address, with a port behind a colon if need be, or several of them between commas (a,b:5433,[::1]:5434); no scheme, path or socket';

/**
 * The hosts of `Server` in their order, each once. `Port` is that of hosts without one of their own.
 */
export function hostsOf(values: ValueReader): readonly ServerHost[] {
  const defaultPort = values.integer('Port');
  const entries = values.text('Server').split(',', MOST_HOSTS + 1);
  if (entries.length > MOST_HOSTS) {
    values.problem('Server', `must not name more than ${String(MOST_HOSTS)} hosts`);
    return [{ host: '', port: defaultPort }];
  }
  const isAbsent = entries.length === 1 && entries[0] === '';
  const read = entries.map((entry) => hostOf(entry.trim()));
  if (!isAbsent && read.includes(undefined)) values.problem('Server', RULE);
  if (read.every((host) => host?.port !== undefined))
    values.idle(['Port'], 'where Server gives every host a port');
  const hosts = read.map((host) => ({ host: host?.host ?? '', port: host?.port ?? defaultPort }));
  return withoutRepeats(hosts, values);
}

function withoutRepeats(hosts: readonly ServerHost[], values: ValueReader): readonly ServerHost[] {
  const keys = hosts.map(({ host, port }) => `${host.toLowerCase()} ${String(port)}`);
  const unique = hosts.filter((_, at) => keys.indexOf(keys[at] ?? '') === at);
  if (unique.length < hosts.length)
    values.note('Server', 'Server names a host and port more than once; it is tried once.');
  return unique;
}

/** Undefined for what is no host. */
function hostOf(entry: string): { host: string; port: number | undefined } | undefined {
  if (isIPv6(entry)) return { host: entry, port: undefined };
  const [, bracketed, name = bracketed, digits] =
    /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  const isPort = port === undefined || (port >= 1 && port <= 65_535);
  const isRight = name !== undefined && (bracketed === undefined ? isHostName(name) : isIPv6(bracketed));
  return isRight && isPort ? { host: asciiNameOf(name), port } : undefined;
}

/** What libpq, pgjdbc and Npgsql call them, in small letters without hyphens. */
const WORDS_OF_OTHERS: Readonly<Record<string, TargetServer>> = {
  readwrite: 'primary',
  master: 'primary',
  secondary: 'standby',
  slave: 'standby',
  prefersecondary: 'prefer-standby',
  preferslave: 'prefer-standby',
};

export function targetOf(values: ValueReader): TargetServer {
  const meant = WORDS_OF_OTHERS[values.text('TargetSessionAttrs').toLowerCase().replaceAll('-', '')];
  if (meant === undefined) return (values.choice('TargetSessionAttrs') ?? 'any') as TargetServer;
  values.readAs('TargetSessionAttrs', meant);
  return meant;
}
