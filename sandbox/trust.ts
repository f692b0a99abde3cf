import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { issueAppCertificates, writeAppCertificates, type AppCertificates } from './app-certificates.js';
import { createCertificateAuthority, type CertificateAuthority } from './certificates.js';
import type { CertificateFiles } from './sandbox.js';
import { createServerCertificates, type ServerCertificates } from './server-certificates.js';

/** Everything about certificates: who issues them, the servers', and the app's. */
export interface Trust {
  readonly authority: CertificateAuthority;
  /** The authority's own certificate in a file. */
  readonly caFile: string;
  readonly serverCertificates: ServerCertificates;
  readonly appCertificates: AppCertificates;
  readonly files: CertificateFiles;
}

/** New certificates under a new CA, those of the app also as files below `directory`. */
export const makeTrust = async (directory: string): Promise<Trust> => {
  const authority = await createCertificateAuthority();
  const [serverCertificates, appCertificates] = await Promise.all([
    createServerCertificates(authority, () => createCertificateAuthority('unknown CA')),
    issueAppCertificates(authority),
  ]);
  const folder = path.join(directory, 'certificates');
  const files = await writeAppCertificates(folder, appCertificates);
  const caFile = path.join(folder, 'ca.pem');
  await writeFile(caFile, authority.pem);
  return { authority, caFile, files, serverCertificates, appCertificates };
};
