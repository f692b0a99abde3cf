import { ConnectFailure } from '../../auth/tunnel.js';
import { nameOf, type Target } from '../../auth/proxy.js';
import { ConnectorError, describe, isConnectorError, type ErrorCode } from '../../errors.js';
import type { FirewallProxy, SshServer } from '../../settings/settings.js';
import type { Endpoint } from './stage.js';

type Address = Pick<Endpoint, 'host' | 'port'>;

/** Why the server itself was not reached. */
export function tcpError(error: unknown, { host, port }: Address): Error {
  const problem = describe(error);
  const code = codeOf(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new ConnectorError('SERVER_NAME_UNKNOWN', { host, problem: code }, { cause: error });
  }
  return new ConnectorError('SERVER_UNREACHABLE', { host, port, problem }, { cause: error });
}

/** Why the proxy on the way was not reached. */
export function firewallUnreachable(error: unknown, proxy: FirewallProxy): ConnectorError {
  return new ConnectorError(
    'FIREWALL_UNREACHABLE',
    { proxy: nameOf(proxy), problem: describe(error) },
    { cause: error },
  );
}

/** Why the proxy on the way made no connection to `target`. */
export function firewallRefusal(error: unknown, proxy: FirewallProxy, { host, port }: Target): unknown {
  if (!(error instanceof ConnectFailure)) return error;
  const { problem } = error.details;
  if (error.reason === 'PROXY_AUTHENTICATION_FAILED')
    return new ConnectorError('FIREWALL_AUTHENTICATION_FAILED', { proxy: nameOf(proxy), problem });
  const { retryable } = error;
  return new ConnectorError('FIREWALL_REFUSED', { proxy: nameOf(proxy), host, port, problem }, { retryable });
}

/** Why the SSH server on the way was not reached, or was lost. */
export function sshUnreachable(error: unknown, ssh: SshServer): ConnectorError {
  return new ConnectorError(
    'SSH_UNREACHABLE',
    { ssh: nameOf(ssh), problem: describe(error) },
    { cause: error },
  );
}

/** The loss of an open connection; a TLS alert about our certificate may come as late as that (RFC 8446 section 4.4.2.4). */
export function connectionLost(error: unknown, { host, port }: Address): ConnectorError {
  if (isConnectorError(error)) return error;
  const details = { host, port, problem: describe(error) };
  if (isAboutOurCertificate(error))
    return new ConnectorError('CLIENT_CERTIFICATE_REFUSED', details, { cause: error });
  return new ConnectorError('CONNECTION_LOST', details, { cause: error });
}

/** Verification failures of Node.js and OpenSSL, by code; anything else is TLS_FAILED. */
const TLS_CODES: Readonly<Record<string, Extract<ErrorCode, `SERVER_${string}`>>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'SERVER_HOST_NAME_MISMATCH',
  CERT_HAS_EXPIRED: 'SERVER_CERTIFICATE_EXPIRED',
  CERT_NOT_YET_VALID: 'SERVER_CERTIFICATE_EXPIRED',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'SERVER_CERTIFICATE_UNTRUSTED',
  SELF_SIGNED_CERT_IN_CHAIN: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'SERVER_CERTIFICATE_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'SERVER_CERTIFICATE_UNTRUSTED',
  CERT_UNTRUSTED: 'SERVER_CERTIFICATE_UNTRUSTED',
  INVALID_CA: 'SERVER_CERTIFICATE_UNTRUSTED',
};

/** Why there is no TLS. */
export function tlsError(error: unknown, { host, port, tls }: Endpoint): ConnectorError {
  if (isConnectorError(error)) return error;
  const details = { host, port, problem: describe(error) };
  const context = { cause: error };
  if (isAboutOurCertificate(error)) return new ConnectorError('CLIENT_CERTIFICATE_REFUSED', details, context);
  const code = TLS_CODES[codeOf(error)];
  if (code !== undefined) return new ConnectorError(code as 'SERVER_CERTIFICATE_EXPIRED', details, context);
  if (!isNoTls(error)) return new ConnectorError('TLS_FAILED', details, context);
  if (tls.negotiation === 'direct') return new ConnectorError('DIRECT_TLS_REFUSED', details, context);
  // A server that has agreed to TLS and then ends the connection has broken down, or the network has.
  return new ConnectorError(isLoss(error) ? 'CONNECTION_LOST' : 'TLS_FAILED', details, context);
}

/** The other side ended the connection, or did not mean PostgreSQL. */
export class NoTls extends Error {}

/** What a server gives that takes the beginning of TLS for a startup packet, if it does not end the connection. */
const NO_TLS_CODES = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

function isNoTls(error: unknown): boolean {
  return isLoss(error) || NO_TLS_CODES.includes(codeOf(error));
}

// Node.js gives ECONNRESET for an orderly end as well.
function isLoss(error: unknown): boolean {
  return error instanceof NoTls || ['ECONNRESET', 'EPIPE'].includes(codeOf(error));
}

// Alerts by which a server says that it wants a certificate of ours or does not take it (RFC 8446 section 6.2).
const CERTIFICATE_ALERT =
  /ALERT_(?:CERTIFICATE_(?:REQUIRED|EXPIRED|REVOKED|UNKNOWN)|(?:BAD|UNSUPPORTED)_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;

function isAboutOurCertificate(error: unknown): boolean {
  return CERTIFICATE_ALERT.test(codeOf(error));
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
