import { chmod, chown, copyFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { BearerDemand } from '../gate/oauth-bearer.js';
import type { Place } from '../place.js';
import { tcpAccessRules } from '../postgres/access.js';
import type { Listener } from '../postgres/server.js';
import type { Undoing } from '../undoing.js';
import { compileValidator } from './compile.js';
import { startValidation, type ValidationParts } from './validation.js';

/** What the endpoint is made of. */
export interface OAuthParts extends Omit<ValidationParts, 'path' | 'account'> {
  /** Key and certificate, PEM. */
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly demand: BearerDemand;
}

/** What a server needs for the endpoint, or why there is none, in words that follow "off:". */
export type OAuth = { readonly listener: Listener } | { readonly off: string };

/** Name of the library, for `oauth_validator_libraries`. */
const library = 'sandbox_oauth_validator';

/**
 * PostgreSQL's own OAUTHBEARER, over TLS on a port of 127.0.0.1: what the server needs for it, or why it is off. The
 * service that judges tokens runs when this resolves.
 */
export const prepareOAuth = async (
  { postgres: directory, socket, account }: Place,
  parts: OAuthParts,
  undoing: Undoing,
): Promise<OAuth> => {
  const compiled = await compileValidator(directory);
  if ('off' in compiled) return compiled;
  const own = async (name: string, fill: (file: string) => Promise<void>): Promise<string> => {
    const file = path.join(directory, name);
    await fill(file);
    await chmod(file, 0o600);
    if (account) await chown(file, account.uid, account.gid);
    return file;
  };
  const [certificateFile, keyFile] = await Promise.all([
    own('server.crt', (file) => writeFile(file, parts.certificate.cert)),
    own('server.key', (file) => writeFile(file, parts.certificate.key, { mode: 0o600 })),
    own(`${library}.so`, (file) => copyFile(compiled.file, file)),
  ]);
  const questions = path.join(socket, '.s.oauth');
  const validation = await startValidation({ ...parts, path: questions, account });
  undoing.add(() => validation.close());
  return {
    listener: {
      port: await freePort(),
      accessRules: tcpAccessRules(parts.demand),
      environment: { SANDBOX_OAUTH_SOCKET: questions },
      settings: {
        listen_addresses: '127.0.0.1',
        ssl: 'on',
        ssl_cert_file: certificateFile,
        ssl_key_file: keyFile,
        dynamic_library_path: `${directory}:$libdir`,
        oauth_validator_libraries: library,
      },
    },
  };
};

let portsTried = 0;

/**
 * A port that nobody has. PostgreSQL wants to be told a number and opens it later, so it lies where the system itself
 * gives out none, and other processes of ours look elsewhere.
 */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 10_000 + ((process.pid * 16 + portsTried++) % 20_000);
    if (await isFree(port)) return port;
  }
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
