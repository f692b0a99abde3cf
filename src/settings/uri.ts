import { ConnectorError } from '../errors.js';
import { MOST_HOSTS } from './hosts.js';
import { MOST_PAIRS, trimBlanks, type Pair } from './pairs.js';
import { findProperty } from './properties.js';
import { canonical, HIDDEN_NAME, shown, type ReadProperties, type SettingsNote } from './raw-properties.js';

/** The parts of a URI between its separators, not yet decoded; each with its offset in the text. */
interface UriParts {
  readonly user?: Part;
  readonly password?: Part;
  /** At least one. */
  readonly hosts: readonly HostPart[];
  readonly database?: Part;
  readonly parameters: readonly (readonly [name: Part, value: Part])[];
}

interface Part {
  readonly text: string;
  readonly offset: number;
}

interface HostPart {
  readonly name: Part;
  readonly port: Part;
}

/**
 * Reads what stands from `start` on, behind `postgresql://`, as libpq does (PostgreSQL
 * documentation, section 32.1.1.2): `user:password@host:port,host:port/database?Name=Value&…`, each
 * part percent-encoded. Differences: none of several hosts may be empty; the parameters are the properties of the table, by
 * any of their names; they can make TLS stricter, never weaker; encoded bytes are UTF-8.
 *
 * @throws ConnectorError URI_MALFORMED (with the offset, never with a part of the URI),
 *   UNKNOWN_PROPERTY, PROPERTY_INVALID
 */
export function readUri(text: string, start: number): ReadProperties {
  const parts = partsOf(text, start);
  const notes: SettingsNote[] = [];
  const pairs = pairsOf(parts).map((pair) => hardened(pair, notes));
  // A password with a / in it looks like host, port and path: then a name may be a piece of it.
  const isDoubtful = parts.user === undefined && text.includes('@', start);
  const read = canonical(pairs, isDoubtful ? () => HIDDEN_NAME : shown);
  return { ...read, notes: [...read.notes, ...notes] };
}

function partsOf(text: string, start: number): UriParts {
  const authority = text.slice(start, endAt(text, start, /[/]/g));
  const credentials = authority.indexOf('@');
  const colon = authority.slice(0, Math.max(credentials, 0)).indexOf(':');
  const { hosts, end } = hostsOf(text, credentials < 0 ? start : start + credentials + 1);
  const path = endAt(text, end, /[?]/g);
  return {
    ...(credentials >= 0 && { user: part(text, start, start + (colon < 0 ? credentials : colon)) }),
    ...(colon >= 0 && { password: part(text, start + colon + 1, start + credentials) }),
    hosts,
    database: part(text, end + 1, path),
    parameters: path < text.length ? parametersOf(text, path + 1) : [],
  };
}

function hostsOf(text: string, start: number): { hosts: HostPart[]; end: number } {
  const hosts: HostPart[] = [];
  for (let at = start; ; at += 1) {
    const { name, port, end } = hostOf(text, at);
    hosts.push({ name, port });
    if (hosts.length > MOST_HOSTS) throw malformed(`it names more than ${String(MOST_HOSTS)} hosts`, at);
    at = end;
    if (text[end] !== ',') return { hosts, end };
  }
}

function hostOf(text: string, start: number): HostPart & { readonly end: number } {
  const isBracketed = text[start] === '[';
  const close = isBracketed ? text.indexOf(']', start) : endAt(text, start, /[:/?,]/g);
  if (close < 0) throw malformed('the [ before an IPv6 address is never closed', start);
  if (isBracketed && close === start + 1) throw malformed('the IPv6 address is empty', start);
  const after = isBracketed ? close + 1 : close;
  if (after < text.length && !':/?,'.includes(text.charAt(after)) && text.slice(after).trim() !== '')
    throw malformed('something stands behind the IPv6 address', after);
  const name = part(text, isBracketed ? start + 1 : start, close);
  if (name.text.includes('@')) throw malformed('an @ in user name or password is not written %40', start);
  const end = text[after] === ':' ? endAt(text, after, /[/?,]/g) : after;
  return { name, port: part(text, after + 1, end), end };
}

function parametersOf(text: string, start: number): (readonly [Part, Part])[] {
  const parameters: (readonly [Part, Part])[] = [];
  for (let at = start; at < text.length;) {
    if (parameters.length === MOST_PAIRS) throw malformed('it has more than 1,000 parameters', at);
    const end = endAt(text, at, /&/g);
    const equals = text.slice(at, end).indexOf('=');
    if (equals < 0) throw malformed('a parameter has no = behind its name', at);
    const value = part(text, at + equals + 1, end);
    if (value.text.includes('=')) throw malformed('an = in a value is not written %3D', value.offset);
    parameters.push([part(text, at, at + equals), value]);
    at = end + 1;
  }
  return parameters;
}

/** Offset of the first match of `separator` from `start` on, or the end of the text. */
function endAt(text: string, start: number, separator: RegExp): number {
  separator.lastIndex = start;
  return separator.exec(text)?.index ?? text.length;
}

function part(text: string, start: number, end: number): Part {
  return { text: text.slice(start, end), offset: start };
}

function pairsOf({ user, password, hosts, database, parameters }: UriParts): Pair[] {
  const textOf = (value: Part | undefined): string => (value === undefined ? '' : decoded(value));
  const named = {
    User: textOf(user),
    Password: textOf(password),
    ...serverOf(hosts),
    Database: textOf(database),
  };
  const pairs = Object.entries(named).flatMap(([name, text]): Pair[] =>
    text === '' ? [] : [[name, literal(text)]],
  );
  return [...pairs, ...parameters.map(([name, value]): Pair => [decoded(name), decoded(value), 'separator'])];
}

/** One host and its port stand by themselves; several are written as `Server` has them. */
function serverOf(hosts: readonly HostPart[]): { readonly Server: string; readonly Port?: string } {
  const [first] = hosts;
  if (first && hosts.length === 1) return { Server: decoded(first.name), Port: decoded(first.port) };
  const servers = hosts.map(({ name, port }) => {
    const host = decoded(name);
    if (host === '') throw malformed('one of several hosts is empty', name.offset);
    const digits = decoded(port);
    return `${host.includes(':') ? `[${host}]` : host}${digits === '' ? '' : `:${digits}`}`;
  });
  return { Server: servers.join(',') };
}

// Before the parameters of a URI stand values and never references to them.
function literal(value: string): string {
  return value.startsWith('@') ? `@${value}` : value;
}

function decoded({ text, offset }: Part): string {
  const bare = trimBlanks(text);
  if (/[ \t\r\n]/.test(bare)) throw malformed('a blank is not written %20', offset);
  if (/%(?![\da-f]{2})/i.test(bare)) throw malformed('a % is not followed by two hexadecimal digits', offset);
  if (bare.includes('%00')) throw malformed('it holds %00', offset);
  try {
    return decodeURIComponent(bare);
  } catch {
    throw malformed('its encoded bytes are not UTF-8', offset);
  }
}

/** `pair`, as strict about TLS as without it: URIs are copied from where weaker modes are usual. */
function hardened(pair: Pair, notes: SettingsNote[]): Pair {
  const [name, value = ''] = pair;
  const property = findProperty(name)?.name;
  const said = value.toLowerCase();
  if (
    (property === 'UseSSL' && !/^(true|yes|on|1|)$/.test(said)) ||
    (property === 'SSLMode' && said === 'disable')
  )
    throw weaker(property);
  if (property !== 'SSLMode' || !/^(allow|prefer|require|verify-ca)$/.test(said)) return pair;
  notes.push({
    property,
    text: `SSLMode ${said} is read as verify-full: a URI can only make TLS stricter.`,
  });
  return [name, 'verify-full'];
}

function weaker(property: 'UseSSL' | 'SSLMode'): ConnectorError {
  const rule = property === 'UseSSL' ? 'must be true' : 'must not be disable';
  const problems = `${property} ${rule} in a URI, which can only make TLS stricter; write Name=Value pairs for a connection without TLS.`;
  return new ConnectorError('PROPERTY_INVALID', { problems }, { properties: [property] });
}

function malformed(problem: string, offset: number): ConnectorError {
  return new ConnectorError('URI_MALFORMED', { problem, offset });
}
