import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  keyFor,
  toEncryptedPem,
  toPem,
  toPfx,
  type CertificateAuthority,
  type IssuedCertificate,
} from './certificates.js';
import { toJavaKeyStore } from './java-key-store.js';
import type { CertificateFiles } from './sandbox.js';

/** The certificates of the ready-made app, good and bad. */
export interface AppCertificates {
  readonly registered: IssuedCertificate;
  readonly unregistered: IssuedCertificate;
  readonly expired: IssuedCertificate;
}

/** New certificates; the expired one has the key of the registered one, as after a renewal that kept the key. */
export const issueAppCertificates = async (authority: CertificateAuthority): Promise<AppCertificates> => {
  const [key, otherKey] = await Promise.all([keyFor('flow reader'), keyFor('unregistered')]);
  const notAfter = new Date(Date.now() - 86_400_000);
  const [registered, unregistered, expired] = await Promise.all([
    authority.issue({ commonName: 'pg-entra flow reader', key }),
    authority.issue({ commonName: 'pg-entra unregistered', key: otherKey }),
    authority.issue({ commonName: 'pg-entra expired', key, notAfter }),
  ]);
  return { registered, unregistered, expired };
};

/** Writes the certificates to files (mode 0600) in a new folder. */
export const writeAppCertificates = async (
  directory: string,
  { registered, unregistered, expired }: AppCertificates,
): Promise<CertificateFiles> => {
  await mkdir(directory, { mode: 0o700 });
  const write = async (name: string, content: string | Buffer): Promise<string> => {
    const file = path.join(directory, name);
    await writeFile(file, content, { mode: 0o600 });
    return file;
  };
  const pfxPassword = randomPassword();
  const encryptedPemPassword = randomPassword();
  const jksPassword = randomPassword();
  const [pem, pfx, jks, encryptedPem, unregisteredPem, expiredPem] = await Promise.all([
    write('app.pem', toPem(registered)),
    write('app.pfx', toPfx(registered, pfxPassword)),
    write('app.jks', toJavaKeyStore(registered, 'flow-reader', jksPassword)),
    write('app-encrypted.pem', toEncryptedPem(registered, encryptedPemPassword)),
    write('unregistered.pem', toPem(unregistered)),
    write('expired.pem', toPem(expired)),
  ]);
  return {
    pem,
    pfx,
    pfxPassword,
    jks,
    jksPassword,
    encryptedPem,
    encryptedPemPassword,
    unregisteredPem,
    expiredPem,
  };
};

const randomPassword = (): string => randomBytes(18).toString('base64url');
