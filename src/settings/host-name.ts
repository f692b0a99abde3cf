import { isIPv6 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import type { PropertyName } from './properties.js';
import type { ValueReader } from './value-reader.js';

/** The host that `name` holds: a name (in ASCII, {@link asciiNameOf}) or an IP address, IPv6 also in brackets; '' where it is absent or wrong. */
export function hostNameOf(values: ValueReader, name: PropertyName): string {
  const given = values.text(name);
  const bare = /^\[.*\]$/.test(given) && isIPv6(given.slice(1, -1)) ? given.slice(1, -1) : given;
  if (bare !== '' && !isIPv6(bare) && !isHostName(bare)) {
    values.problem(name, 'must be one host name or IP address (no scheme, port, path or socket)');
  }
  return asciiNameOf(bare);
}

/** `name` as DNS and certificates have it (RFC 5890, A-labels); IP addresses and ASCII names as they are. */
export function asciiNameOf(name: string): string {
  return /^[\x20-\x7e]*$/.test(name) ? name : domainToASCII(name);
}

/** Characters of the longest name that DNS has, with the dot at its end. */
const LONGEST_HOST = 254;

/** A name, or an IPv4 address, that means what it shows: neither `127.1` nor letters that a resolver folds. */
export function isHostName(text: string): boolean {
  if (text.length > LONGEST_HOST) return false;
  if (!/^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(text) || text.normalize('NFKC') !== text) return false;
  const ascii = domainToASCII(text);
  const resolved = /^[\x20-\x7e]*$/.test(text) ? ascii : domainToUnicode(ascii);
  return resolved === text.toLowerCase();
}
