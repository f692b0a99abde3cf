import { createSecureContext, type SecureContext } from 'node:tls';
import { loadKeyStore, type KeyStoreEntry, type KeyStoreType } from '../../auth/key-store/index.js';
import { ConnectorError, isConnectorError } from '../../errors.js';
import type { ClientCertificate, TlsSettings } from '../../settings/settings.js';
import { FileMade, type ReadFile } from './file-made.js';
import { Tickets } from './tickets.js';

/** What all connections under the same settings share. */
export interface Trust {
  readonly context: SecureContext;
  readonly tickets: Tickets;
}

// By the very object: settings are frozen, and what is not the same object is not trusted alike.
const TRUSTS = new WeakMap<TlsSettings, FileMade<Trust>>();

/**
 * What connections under `tls` share: the context with its authorities and the client certificate,
 * whose file is looked at for each connection.
 *
 * @throws ConnectorError PROPERTY_FILE_UNREADABLE, CLIENT_CERTIFICATE_UNUSABLE, CLIENT_CERTIFICATE_PASSWORD_WRONG
 */
export function trustOf(tls: TlsSettings): Promise<Trust> {
  let trust = TRUSTS.get(tls);
  if (!trust) {
    trust = new FileMade((readFile) => makeTrust(tls, readFile));
    TRUSTS.set(tls, trust);
  }
  return trust.get();
}

async function makeTrust({ ca, clientCertificate }: TlsSettings, readFile: ReadFile): Promise<Trust> {
  const own = clientCertificate && (await loadCertificate(clientCertificate, readFile));
  const context = createSecureContext({
    // In a list, since Node.js takes an empty text for none and trusts its own roots then.
    ...(ca !== undefined && { ca: [ca] }),
    ...(own && {
      key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: own.chain.map((certificate) => certificate.toString()).join(''),
    }),
    minVersion: 'TLSv1.2',
  });
  return { context, tickets: new Tickets() };
}

async function loadCertificate(
  { store, type, password, subject }: ClientCertificate,
  readFile: ReadFile,
): Promise<KeyStoreEntry> {
  try {
    return await loadKeyStore(store.reveal(), {
      type: type as KeyStoreType,
      password,
      subject,
      readFile,
      property: 'SSLClientCert',
      use: 'tls',
    });
  } catch (error) {
    throw isConnectorError(error) ? certificateError(error) : error;
  }
}

// The reader speaks of the properties of the other certificate, which proves the application to Entra ID.
function certificateError(error: ConnectorError): ConnectorError {
  const { code, message } = error;
  if (code === 'PROPERTY_FILE_UNREADABLE') return error;
  if (code === 'CERTIFICATE_PASSWORD_WRONG' || code === 'CERTIFICATE_PASSWORD_MISSING')
    return new ConnectorError(
      'CLIENT_CERTIFICATE_PASSWORD_WRONG',
      {},
      { properties: ['SSLClientCertPassword'] },
    );
  const problem = message.replaceAll('OAuthJWTCert', 'SSLClientCert').replace(/\.$/, '');
  return new ConnectorError('CLIENT_CERTIFICATE_UNUSABLE', { problem }, { properties: ['SSLClientCert'] });
}
