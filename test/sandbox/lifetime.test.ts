import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startSandbox } from '#sandbox/index.js';
import { serverAccount } from '#sandbox/postgres/account.js';
import { locatePackage, prepareBinaries } from '#sandbox/postgres/binaries.js';
import { logIn, rejection } from './clients.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#sandbox/main.js'));
const project = fileURLToPath(new URL('../../..', import.meta.url));

// What only root can try is no test elsewhere; a test that is skipped would be a failure of CI.
const rootIt: Mocha.TestFunction | (() => void) = process.getuid?.() === 0 ? it : () => undefined;
const stranger = { uid: 54_321, gid: 54_321 };
const namespaces = ['--user', '--map-user=65534', '--map-group=65534', 'true'];
const strangerIt =
  spawnSync('unshare', namespaces, { ...stranger, cwd: '/' }).status === 0 ? it : () => undefined;

describe('sandbox, from start to end', function () {
  this.timeout(60_000);
  let temporary: string;

  beforeEach(async () => {
    temporary = await mkdtemp(path.join(os.tmpdir(), 'pg-entra-test-'));
    await chmod(temporary, 0o711);
  });
  afterEach(() => rm(temporary, { recursive: true, force: true }));

  /** Processes of this machine whose command line names a folder. */
  const processesOf = async (directory: string): Promise<string[]> => {
    const { stdout } = await run('ps', ['-eo', 'args='], { maxBuffer: 1e7 });
    return stdout.split('\n').filter((line) => line.includes(directory) && !line.startsWith('ps '));
  };

  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  const refused = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
      socket.once('connect', () => {
        socket.destroy();
        resolve(false);
      });
    });

  it('leaves no file, process or port behind', async () => {
    const sandbox = await startSandbox({ temporaryDirectory: temporary });
    const client = await logIn(sandbox, await sandbox.control.issueToken());
    const ended = new Promise((resolve) => client.once('end', resolve));
    expect(await readdir(temporary)).to.have.length(1);
    expect(await processesOf(sandbox.directory)).not.to.deep.equal([]);
    await Promise.all([sandbox.close(), sandbox.close()]);
    await ended;
    expect(await readdir(temporary)).to.deep.equal([]);
    expect(await processesOf(sandbox.directory)).to.deep.equal([]);
    const ports = [sandbox.authority.port, sandbox.gate.port, Number(new URL(sandbox.controlUrl).port)];
    expect(await Promise.all(ports.map(refused))).to.deep.equal([true, true, true]);
  });

  it('leaves nothing behind if PostgreSQL cannot start, and says why', async () => {
    const error = await rejection(
      startSandbox({ temporaryDirectory: temporary, postgresSettings: { no_such_setting: '1' } }),
    );
    expect(error.message).to.match(/PostgreSQL ended \(1\).*no_such_setting/s);
    expect(await readdir(temporary)).to.deep.equal([]);
    expect(await processesOf(temporary)).to.deep.equal([]);
  });

  it('puts its socket where the path is short enough', async () => {
    const long = path.join(temporary, 'x'.repeat(100));
    await mkdir(long);
    const sandbox = await startSandbox({ temporaryDirectory: long });
    const socketDirectory = String(sandbox.postgres?.socketDirectory);
    expect(socketDirectory.length).to.be.below(90);
    expect(await sandbox.query('select 1 as one')).to.deep.equal([{ one: 1 }]);
    await sandbox.close();
    expect(await readdir(long)).to.deep.equal([]);
    expect(await rejection(lstat(socketDirectory))).to.include({ code: 'ENOENT' });
  });

  rootIt('works below a folder that only root can enter', async () => {
    const closed = path.join(temporary, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const sandbox = await startSandbox({ temporaryDirectory: closed });
    expect(await sandbox.query('select 1 as one')).to.deep.equal([{ one: 1 }]);
    await sandbox.close();
    expect(await readdir(closed)).to.deep.equal([]);
  });

  describe('its programs', () => {
    const copyPackage = async (): Promise<string> => {
      const copy = path.join(temporary, 'package');
      await cp(locatePackage(), copy, { recursive: true, verbatimSymlinks: true });
      return copy;
    };
    const removeLinks = async (directory: string): Promise<void> => {
      const lib = path.join(directory, 'native', 'lib');
      for (const name of await readdir(lib)) {
        const file = path.join(lib, name);
        if ((await lstat(file)).isSymbolicLink()) await rm(file);
      }
    };

    it('run after an installation with --ignore-scripts, which makes no links', async () => {
      const copy = await copyPackage();
      await removeLinks(copy);
      const account = await serverAccount();
      const { postgres } = await prepareBinaries(copy, path.join(temporary, 'unused'), account);
      expect(postgres).to.equal(path.join(copy, 'native', 'bin', 'postgres'));
      expect((await run(postgres, ['--version'])).stdout).to.match(/^postgres \(PostgreSQL\) 18/);
      expect(await readdir(temporary)).to.deep.equal(['package']);
    });

    rootIt('run from a copy if the account cannot reach the package', async () => {
      const account = await serverAccount();
      const copy = await copyPackage();
      await removeLinks(copy);
      await chmod(copy, 0o700);
      const reachable = path.join(temporary, 'programs');
      const { initdb } = await prepareBinaries(copy, reachable, account);
      expect(initdb).to.equal(path.join(reachable, 'native', 'bin', 'initdb'));
      expect((await run(initdb, ['--version'], { ...account, cwd: '/' })).stdout).to.match(/18/);
    });

    it('are missed with a clear message', async () => {
      await mkdir(path.join(temporary, 'package'));
      const error = await rejection(
        prepareBinaries(path.join(temporary, 'package'), path.join(temporary, 'programs'), undefined),
      );
      expect(error.message).to.match(/native/);
    });
  });

  describe('as a command', () => {
    const start = (args: readonly string[], options: { uid?: number; gid?: number } = {}): ChildProcess =>
      spawn(process.execPath, [main, ...args], {
        ...options,
        cwd: '/',
        env: { ...process.env, TMPDIR: temporary },
        stdio: ['ignore', 'pipe', 'pipe'],
      });

    const firstJson = async (child: ChildProcess): Promise<Record<string, unknown>> => {
      if (child.stdout === null) throw new Error('no stdout');
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.startsWith('{')) return JSON.parse(line) as Record<string, unknown>;
      }
      throw new Error('no JSON came');
    };

    const outputOf = async (args: readonly string[]) => {
      const child = start(args);
      const texts = { stdout: '', stderr: '' };
      child.stdout?.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
      child.stderr?.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number];
      return { code, ...texts };
    };

    it('explains itself, and refuses what it does not know', async () => {
      const help = await outputOf(['--help']);
      expect([help.code, help.stderr]).to.deep.equal([0, '']);
      expect(help.stdout).to.match(/^Usage: npm run sandbox/);
      const wrong = await outputOf(['--jason']);
      expect([wrong.code, wrong.stdout]).to.deep.equal([2, '']);
      expect(wrong.stderr).to.match(/--jason[^]*Usage/);
    });

    it('prints one line of JSON, stays until SIGINT, then cleans up', async () => {
      const child = start(['--json']);
      const description = await firstJson(child);
      expect(description).to.have.all.keys(
        ...['control', 'authority', 'tenantId', 'tenantDomain', 'caFile', 'gate', 'oauth', 'superuser'],
        ...['clientId', 'clientSecret', 'role', 'certificates', 'connections'],
        ...['federation', 'managedIdentity', 'openId', 'passwordRole', 'proxy'],
      );
      // Without a C compiler that part is off (`oauthbearer-login.test.ts` says whether it should be).
      const isOff = description['oauth'] === null;
      if (!isOff) expect(description['oauth']).to.have.all.keys('host', 'port');
      expect(description['gate']).to.have.all.keys('host', 'port');
      const certificates = ['pem', 'pfx', 'pfxPassword', 'jks', 'jksPassword'];
      expect(description['certificates']).to.have.all.keys(...certificates);
      expect(description['connections']).to.have.all.keys(
        ...['secret', 'certificatePem', 'certificatePfx', 'certificateJks'],
        ...['workloadIdentity', 'managedIdentity', 'openId', 'password'],
        ...(isOff ? [] : ['oauthbearer']),
      );
      expect((await fetch(`${String(description['control'])}/requests`)).status).to.equal(200);
      child.kill('SIGINT');
      expect(await once(child, 'exit')).to.deep.equal([0, null]);
      expect(await readdir(temporary)).to.deep.equal([]);
      expect(await processesOf(temporary)).to.deep.equal([]);
    });

    it('ends by SIGTERM to npm, which runs it for people', async () => {
      const npm = spawn('npm', ['run', '--silent', 'sandbox', '--', '--json'], {
        cwd: project,
        env: { ...process.env, TMPDIR: temporary },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      await firstJson(npm);
      npm.kill('SIGTERM');
      await until(async () => (await readdir(temporary)).length === 0);
      await until(async () => (await processesOf(temporary)).length === 0);
    });

    it('leaves nothing behind even when it is killed', async () => {
      const child = start(['--json']);
      await firstJson(child);
      expect(await readdir(temporary)).to.have.length(1);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await until(async () => (await readdir(temporary)).length === 0);
      await until(async () => (await processesOf(temporary)).length === 0);
    });

    strangerIt('runs as a user without a name', async () => {
      await chown(temporary, stranger.uid, stranger.gid);
      const child = start(['--json'], stranger);
      await firstJson(child);
      child.kill('SIGINT');
      expect(await once(child, 'exit')).to.deep.equal([0, null]);
      expect(await readdir(temporary)).to.deep.equal([]);
    });

    rootIt('runs as an ordinary user', async () => {
      const account = await serverAccount();
      if (!account) throw new Error('root has an account to run servers as');
      await chown(temporary, account.uid, account.gid);
      await writeFile(path.join(temporary, 'note'), '');
      const child = start(['--json'], account);
      const superuser = String((await firstJson(child))['superuser']);
      expect(superuser).to.match(/^host=\/.* port=\d+ user=postgres dbname=flows$/);
      child.kill('SIGINT');
      expect(await once(child, 'exit')).to.deep.equal([0, null]);
      expect(await readdir(temporary)).to.deep.equal(['note']);
    });
  });
});
