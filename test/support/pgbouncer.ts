import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import type { Sandbox } from '#sandbox/index.js';
import { serverAccount } from '#sandbox/postgres/account.js';

/** Whether PgBouncer is installed; its tests need it. */
export const hasPgBouncer = (): boolean => spawnSync(PROGRAM, ['--version'], { env: PATHS }).status === 0;

const PROGRAM = 'pgbouncer';
// Debian keeps it where only root looks.
const PATHS = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };

export interface PgBouncer {
  readonly port: number;
  /** The role that it lets in, with this password in the clear over TLS. */
  readonly user: string;
  stop(): Promise<void>;
}

/**
 * PgBouncer in transaction mode before the server of `sandbox`, with `poolSize` sessions there: TLS
 * with the sandbox's certificate, a cleartext password as Azure asks for the token.
 */
export async function startPgBouncer(
  sandbox: Sandbox,
  { user, password, poolSize = 1 }: { user: string; password: string; poolSize?: number },
): Promise<PgBouncer> {
  const { postgres, database } = sandbox;
  if (!postgres) throw new Error('the sandbox runs without PostgreSQL');
  const account = await serverAccount();
  const folder = await mkdtemp(path.join(postgres.socketDirectory, 'pgbouncer-'));
  const port = await freePort();
  const { key, cert } = await sandbox.serverCertificates.pem('valid');
  const files: Record<string, string> = {
    'key.pem': key,
    'cert.pem': cert,
    'users.txt': `"${user}" "${password}"\n`,
    'pgbouncer.ini': `[databases]
${database} = host=${postgres.socketDirectory} port=${String(postgres.port)} user=${user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${String(port)}
unix_socket_dir =
pool_mode = transaction
default_pool_size = ${String(poolSize)}
auth_type = plain
auth_file = ${folder}/users.txt
client_tls_sslmode = require
client_tls_key_file = ${folder}/key.pem
client_tls_cert_file = ${folder}/cert.pem
`,
  };
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(folder, name), text, { mode: 0o600 });
    if (account) await chown(path.join(folder, name), account.uid, account.gid);
  }
  if (account) await chown(folder, account.uid, account.gid);
  const child = spawn(PROGRAM, ['-v', path.join(folder, 'pgbouncer.ini')], {
    ...account,
    cwd: folder,
    env: PATHS,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await readiness(child, port);
  return {
    port,
    user,
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function readiness(child: ChildProcess, port: number): Promise<void> {
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words = `${words}${String(chunk)}`.slice(-4_000)));
  while (child.exitCode === null) {
    if (await accepts(port)) return;
  }
  throw new Error(`PgBouncer ended (${String(child.exitCode)}): ${words}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
