import { X509Certificate } from 'node:crypto';
import type { LoginChoice } from './auth-scheme.js';
import { typeOfFile } from './key-store-types.js';
import type { Secret } from './secret.js';
import type { ValueReader } from './value-reader.js';

/** How the connection is encrypted and the server verified; modes as libpq has them. */
export interface TlsSettings {
  /** `require` encrypts without looking at the certificate, `verify-ca` does not look at its name. */
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** After an SSLRequest, or at once. */
  readonly negotiation: 'postgres' | 'direct';
  /** PEM text of the only authorities to trust, or undefined for those of Node.js. */
  readonly ca: string | undefined;
  /**
   * SHA-256 of the only certificates that the server may have, 64 hexadecimal digits in capitals
   * each; they stand in for `mode` and `ca`.
   */
  readonly pins: readonly string[] | undefined;
  readonly clientCertificate: ClientCertificate | undefined;
}

/** What proves this client to the server. */
export interface ClientCertificate {
  /** Path or content, by `type`. */
  readonly store: Secret;
  readonly type: string;
  readonly password: Secret | undefined;
  readonly subject: string;
}

/** What the group SSL says, with UseSSL; a token `login` takes nothing that verifies less than the server's name. */
export function tlsOf(values: ValueReader, login: LoginChoice): TlsSettings {
  const pins = pinsOf(values);
  const mode = login.scheme === 'Password' ? modeForPassword(values) : modeForToken(values);
  if (mode === 'disable') values.idle(USELESS_WITHOUT_TLS, 'with SSLMode disable');
  else if (pins) values.idle(['SSLCA'], 'with SSLServerCert');
  return {
    mode,
    negotiation: values.choice('SSLNegotiation') === 'direct' ? 'direct' : 'postgres',
    ca: values.pem('SSLCA'),
    pins,
    clientCertificate: clientCertificateOf(values),
  };
}

const USELESS_WITHOUT_TLS = ['SSLCA', 'SSLNegotiation', 'SSLServerCert', 'SSLClientCert'] as const;

function modeForPassword(values: ValueReader): TlsSettings['mode'] {
  const mode = values.choice('SSLMode');
  const encrypted = values.boolean('UseSSL') !== false;
  if (!values.has('SSLMode') && !encrypted) values.count('SSLMode', 'disable', 'from UseSSL');
  if (!values.has('UseSSL') && mode === 'disable') values.count('UseSSL', 'false', 'from SSLMode');
  if (!values.has('SSLMode')) return encrypted ? 'verify-full' : 'disable';
  if (values.has('UseSSL') && encrypted === (mode === 'disable'))
    values.conflict(['UseSSL', 'SSLMode'], `UseSSL and SSLMode=${mode ?? ''} contradict each other.`);
  if ((mode === 'require' || mode === 'verify-ca') && values.has('SSLServerCert')) return modeForPin(values);
  if (mode === 'require' && values.has('SSLCA')) return modeForAuthorities(values);
  if (mode !== 'prefer' && mode !== 'allow') return (mode ?? 'verify-full') as TlsSettings['mode'];
  values.readAs('SSLMode', 'verify-full', ': it would fall back to no encryption without a word');
  return 'verify-full';
}

// As libpq: who names authorities wants them looked at. With `system` it takes no weaker mode than verify-full.
function modeForAuthorities(values: ValueReader): 'verify-ca' | 'verify-full' {
  const mode = values.text('SSLCA') === 'system' ? 'verify-full' : 'verify-ca';
  values.readAs('SSLMode', mode, ': with SSLCA the certificate of the server is verified, as libpq does');
  return mode;
}

function modeForPin(values: ValueReader): 'verify-full' {
  values.readAs('SSLMode', 'verify-full', ': with SSLServerCert the server is verified');
  return 'verify-full';
}

function modeForToken(values: ValueReader): 'verify-full' {
  const mode = values.choice('SSLMode');
  if (values.boolean('UseSSL') === false)
    values.problem('UseSSL', 'must be true: a token is sent over verified TLS only');
  if (mode === 'disable')
    values.problem('SSLMode', 'must not be disable: a token is sent over verified TLS only');
  else if (mode !== undefined && mode !== 'verify-full')
    values.readAs('SSLMode', 'verify-full', ': a token is sent to a verified server only');
  return 'verify-full';
}

const ANY_CERTIFICATE =
  'any certificate would be taken; write the SHA-256 thumbprint of the one that the server has, or set SSLCA. With AuthScheme=Password, SSLMode=require encrypts without looking at the certificate';
const WEAK_THUMBPRINT =
  'MD5 and SHA-1 can be forged; write the SHA-256 thumbprint, as "openssl x509 -noout -fingerprint -sha256" prints it';
const PUBLIC_KEY =
  'a public key is not compared; write the SHA-256 thumbprint of the whole certificate, as "openssl x509 -noout -fingerprint -sha256" prints it';

/** Hexadecimal digits with or without something between two of them, and what openssl writes before them. */
const THUMBPRINT = /^(?:(?:MD5|SHA-?\d+)(?: Fingerprint)?\s*[:=]\s*)?((?:[\da-f]{2}[:\s-]?){8,}[\da-f]?)$/i;
const SHA256_DIGITS = 64;
/** Of MD5 and of SHA-1. */
const WEAK_DIGITS = [32, 40];

/** What SSLServerCert says; several certificates in one PEM text may follow one another. */
function pinsOf(values: ValueReader): readonly string[] | undefined {
  const text = values.optional('SSLServerCert')?.trim();
  if (text === undefined) return undefined;
  const refusal = refusalOf(text);
  if (refusal !== undefined) {
    values.unsupported('SSLServerCert', 'SSLServerCert', refusal);
    return [];
  }
  const digits = thumbprintIn(text);
  if (digits === undefined) return pinsOfCertificates(values);
  if (digits.length !== SHA256_DIGITS) values.problem('SSLServerCert', CUT_THUMBPRINT);
  return [digits];
}

function refusalOf(text: string): string | undefined {
  if (text === '*') return ANY_CERTIFICATE;
  const digits = thumbprintIn(text);
  if (digits !== undefined) return WEAK_DIGITS.includes(digits.length) ? WEAK_THUMBPRINT : undefined;
  return /-----BEGIN (?:RSA )?PUBLIC KEY|^sha256\/\/?/i.test(text) ? PUBLIC_KEY : undefined;
}

function thumbprintIn(text: string): string | undefined {
  return THUMBPRINT.exec(text)?.[1]
    ?.replace(/[^\da-f]/gi, '')
    .toUpperCase();
}

function pinsOfCertificates(values: ValueReader): readonly string[] {
  const text = values.pem('SSLServerCert');
  if (text === undefined) {
    values.problem('SSLServerCert', NO_CERTIFICATE);
    return [];
  }
  const blocks = text.match(CERTIFICATE) ?? [];
  // Begun, but not ended: what is no certificate at all has been told already.
  if (blocks.length === 0 && text.includes('-----BEGIN CERTIFICATE-----'))
    values.problem('SSLServerCert', DAMAGED);
  try {
    return blocks.map((pem) => new X509Certificate(pem).fingerprint256.replaceAll(':', ''));
  } catch {
    values.problem('SSLServerCert', DAMAGED);
    return [];
  }
}

const CUT_THUMBPRINT = 'must be a whole SHA-256 thumbprint of 64 hexadecimal digits';
const NO_CERTIFICATE = 'must be a SHA-256 thumbprint, a certificate in PEM form or the path of one';
const DAMAGED = 'holds a certificate that is damaged';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function clientCertificateOf(values: ValueReader): ClientCertificate | undefined {
  const store = values.secret('SSLClientCert');
  if (!store) return undefined;
  const type = values.choice('SSLClientCertType') ?? 'AUTO';
  return {
    store,
    type: values.fileOf('SSLClientCert') === undefined ? type : typeOfFile(type),
    password: values.secret('SSLClientCertPassword'),
    subject: values.text('SSLClientCertSubject'),
  };
}
