import { ConnectorError, isConnectorError } from '../../errors.js';

const CONVERSION =
  'export it again with AES-256, or convert it, a PFX with "openssl pkcs12 -legacy -in old.pfx -nodes -out new.pem", ' +
  'a PEM key with "openssl pkcs8 -provider legacy -provider default -topk8 -v2 aes256 -in old.pem -out new.pem"';

/** CERTIFICATE_UNREADABLE: `problem` completes "cannot be read: …" and holds nothing of the contents. */
export function unreadable(problem: string, cause?: unknown): ConnectorError {
  return new ConnectorError('CERTIFICATE_UNREADABLE', { problem }, { cause });
}

/** CERTIFICATE_UNREADABLE for a cipher, KDF or MAC that is not supported, with the way to a store that is. */
export function algorithmUnsupported(algorithm: string): ConnectorError {
  return unreadable(`it uses ${algorithm}, which is not supported; ${CONVERSION}`);
}

/** CERTIFICATE_PASSWORD_WRONG: also for a damaged MAC, which cannot be told from a wrong password. */
export function passwordWrong(): ConnectorError {
  return new ConnectorError('CERTIFICATE_PASSWORD_WRONG', {}, { properties: ['OAuthJWTCertPassword'] });
}

/** CERTIFICATE_PASSWORD_MISSING. */
export function passwordMissing(): ConnectorError {
  return new ConnectorError('CERTIFICATE_PASSWORD_MISSING', {}, { properties: ['OAuthJWTCertPassword'] });
}

/** True for the error that another encoding of the password, or another password, may cure. */
export function isPasswordWrong(error: unknown): boolean {
  return isConnectorError(error) && error.code === 'CERTIFICATE_PASSWORD_WRONG';
}
