import { hostNameOf } from './host-name.js';
import { isPrintable, PRINTABLE, proxyUserOf } from './plain-text.js';
import { Secret } from './secret.js';
import type { ValueReader } from './value-reader.js';

/** A proxy on the way to the server. */
export interface FirewallProxy {
  /** `http` is asked to CONNECT; SOCKS4 is spoken with the extension 4a, so that the proxy resolves names. */
  readonly protocol: 'http' | 'socks4' | 'socks5';
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: Secret | undefined;
}

/** What a user proves itself with to an SSH server. */
export type SshProof =
  | { readonly kind: 'password'; readonly password: Secret }
  | {
      readonly kind: 'key';
      /** Path or text, by `isFile`; undefined: as it looks. */
      readonly key: Secret;
      readonly isFile: boolean | undefined;
      readonly passphrase: Secret | undefined;
    };

/** An SSH server that opens the connection to the server. */
export interface SshServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** SHA-256 of the key of the SSH server, base64 without padding. */
  readonly fingerprint: string;
  readonly proof: SshProof;
}

/** The way to the server: direct where neither is set; with both, the proxy leads to the SSH server. */
export interface WaySettings {
  readonly firewall: FirewallProxy | undefined;
  readonly ssh: SshServer | undefined;
}

/** The way that the groups Firewall and SSH name. */
export function wayOf(values: ValueReader): WaySettings {
  return { firewall: firewallOf(values), ssh: sshOf(values) };
}

const PROXIES: Readonly<Record<string, readonly [FirewallProxy['protocol'], port: number]>> = {
  TUNNEL: ['http', 80],
  SOCKS4: ['socks4', 1_080],
  SOCKS5: ['socks5', 1_080],
};

function firewallOf(values: ValueReader): FirewallProxy | undefined {
  const type = values.choice('FirewallType') ?? 'NONE';
  if (PROXIES[type] === undefined) return undefined;
  const [protocol, usualPort] = PROXIES[type];
  const port = values.optionalInteger('FirewallPort') ?? 0;
  values.count('FirewallPort', String(port === 0 ? usualPort : port), `usual for ${type}`);
  const user = proxyUserOf(values, 'FirewallUser', { protocol, http: 'FirewallType TUNNEL' });
  if (user === undefined) values.idle(['FirewallPassword'], 'without FirewallUser');
  return {
    protocol,
    host: hostNameOf(values, 'FirewallServer'),
    port: port === 0 ? usualPort : port,
    user,
    password: protocol === 'socks4' ? undefined : values.secret('FirewallPassword'),
  };
}

function sshOf(values: ValueReader): SshServer | undefined {
  if (values.boolean('UseSSH') !== true) return undefined;
  return {
    host: hostNameOf(values, 'SSHServer'),
    port: values.integer('SSHPort'),
    user: values.checked('SSHUser', isPrintable, PRINTABLE),
    fingerprint: fingerprintOf(values),
    proof: values.choice('SSHAuthMode') === 'Public_Key' ? keyProofOf(values) : passwordProofOf(values),
  };
}

function passwordProofOf(values: ValueReader): SshProof {
  return { kind: 'password', password: values.secret('SSHPassword') ?? new Secret('') };
}

function keyProofOf(values: ValueReader): SshProof {
  const type = values.choice('SSHClientCertType') ?? 'AUTO';
  const isNamed = values.fileOf('SSHClientCert') !== undefined;
  return {
    kind: 'key',
    key: values.secret('SSHClientCert') ?? new Secret(''),
    isFile: type === 'AUTO' && !isNamed ? undefined : isNamed || type.endsWith('_FILE'),
    passphrase: values.secret('SSHClientCertPassword'),
  };
}

const FINGERPRINT = 'must be SHA256: and 43 characters, as "ssh-keygen -lf" prints it';
const MD5_FINGERPRINT =
  'MD5 can be forged; write the SHA-256 fingerprint, as "ssh-keygen -lf" prints it: SHA256: and 43 characters';

function fingerprintOf(values: ValueReader): string {
  const text = values.text('SSHServerFingerprint');
  if (/^(?:MD5:)?[\da-f]{2}([: ]?[\da-f]{2}){15}$/i.test(text)) {
    values.unsupported('SSHServerFingerprint', 'SSHServerFingerprint', MD5_FINGERPRINT);
    return '';
  }
  const [, digits] = /^SHA256:([A-Za-z0-9+/]{43})=?$/i.exec(text) ?? [];
  if (text !== '' && digits === undefined) values.problem('SSHServerFingerprint', FINGERPRINT);
  return digits ?? '';
}
