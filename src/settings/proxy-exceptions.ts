import { BlockList, isIP } from 'node:net';

/** One end of a connection. `host` is a name or an IP address, IPv6 without brackets. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Tells whether an exception covers a target. */
export type Exception = (target: Target) => boolean;

/**
 * Reads one entry of an exceptions list: `*`, a name (covers itself and the names below it),
 * `.suffix` or `*.suffix` (the names below only), an IP address, or a subnet (`10.0.0.0/8`); all
 * but the subnet also with `:port`. Letter case does not matter. Subnets and addresses are
 * compared with targets that are addresses themselves: no name is resolved for it.
 *
 * Undefined for anything else.
 */
export function readException(text: string): Exception | undefined {
  const entry = text.trim().toLowerCase();
  if (entry.includes('/')) return subnetException(entry);
  if (isIP(entry) !== 0) return addressException(entry);
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined;
  const covers = host === '*' ? () => true : isIP(host) === 0 ? nameException(host) : addressException(host);
  return covers && ((target) => (port === undefined || Number(port) === target.port) && covers(target));
}

function nameException(pattern: string): Exception | undefined {
  const [, below, name] = /^(\*?\.)?([a-z0-9_]([\w.-]*[a-z0-9_])?)\.?$/.exec(pattern) ?? [];
  if (name === undefined) return undefined;
  return (target) => {
    const host = target.host.toLowerCase().replace(/\.$/, '');
    return host.endsWith(`.${name}`) || (below === undefined && host === name);
  };
}

function addressException(address: string): Exception {
  return subnetException(`${address}/${isIP(address) === 4 ? '32' : '128'}`) ?? (() => false);
}

function subnetException(entry: string): Exception | undefined {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const version = isIP(address);
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return undefined;
  const subnet = new BlockList();
  subnet.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return ({ host }) => {
    const hostVersion = isIP(host);
    return hostVersion !== 0 && subnet.check(host, hostVersion === 4 ? 'ipv4' : 'ipv6');
  };
}
