import { expect } from 'chai';
import ssh2 from 'ssh2';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { inspect } from 'node:util';
import { systemClock } from '#src/clock.js';
import { openTransport, type Endpoint } from '#src/connection/transport.js';
import { openSshKey } from '#src/connection/transport/openssh-key.js';
import { openForwarding } from '#src/connection/transport/ssh.js';
import { openWay } from '#src/connection/transport/way.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { Secret } from '#src/settings/secret.js';
import type { SshProof } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';
import { useFolder } from '../support/folder.js';
import { startSocksProxy } from '../support/proxies.js';
import {
  startSshServer,
  type SshServer,
  type SshServerOptions,
  readableKeyPair,
} from '../support/ssh-server.js';
import {
  abortedOnceDialled,
  echo,
  endpointOf,
  gone,
  waitOf,
  startTlsServer,
  useTlsServer,
} from '../support/tls-server.js';

const CANNOT_REACH = 'POSTGRESQL:CANNOT_REACH';
const SETTINGS = 'POSTGRESQL:SETTINGS';
const PASSWORD = 'ssh-p4ssword-that-must-not-show';
const PASSPHRASE = 'k3y-passphrase-that-must-not-show';

describe('the way through an SSH server', function () {
  this.timeout(20_000);
  const folder = useFolder();
  const use = useTlsServer(['db.example', 'localhost']);
  let ssh: SshServer;

  afterEach(() => ssh.close());

  const start = async (options: Partial<SshServerOptions> = {}): Promise<void> => {
    ssh = await startSshServer({ user: 'tunnel', password: PASSWORD, ...options });
  };
  const byPassword = (password = PASSWORD): SshProof => ({
    kind: 'password',
    password: new Secret(password),
  });
  const byKey = (key: string, passphrase?: string): SshProof => ({
    kind: 'key',
    key: new Secret(key),
    isFile: undefined,
    passphrase: passphrase === undefined ? undefined : new Secret(passphrase),
  });

  function through(proof: SshProof, changes: object = {}, tls: Partial<Endpoint['tls']> = {}): Endpoint {
    const fingerprint = ssh.fingerprint.slice('SHA256:'.length);
    const host = { host: '127.0.0.1', port: ssh.port, user: 'tunnel', fingerprint, proof, ...changes };
    const way = { firewall: undefined, ssh: host };
    return endpointOf(use.server.port, { ca: use.ca, ...tls }, { host: 'db.example', way });
  }

  async function refused(to: Endpoint, type: ErrorType, code: ErrorCode): Promise<string> {
    const error = await failure(openTransport(to, waitOf()), type, code);
    const seen = [
      inspect(error, { depth: Infinity, showHidden: true }),
      JSON.stringify(error),
      inspect(to),
    ].join();
    for (const secret of [PASSWORD, PASSPHRASE, 'PRIVATE KEY']) expect(seen).not.to.include(secret);
    await nothingOpen();
    return error.message;
  }

  async function nothingOpen(): Promise<void> {
    while (ssh.open > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async function connects(to: Endpoint): Promise<void> {
    const socket = await openTransport(to, waitOf(15_000));
    expect(await echo(socket)).to.equal('ping');
    await gone(socket);
    await nothingOpen();
  }

  it('leads to the server, by its name, and ends with the stream', async () => {
    await start();
    await connects(through(byPassword()));
    expect(ssh.asked).to.deep.equal([`db.example:${String(use.server.port)}`]);
    expect(ssh.attempts).to.deep.equal(['password']);
  });

  it('carries megabytes both ways, with TLS and without', async () => {
    await start();
    const socket = await openTransport(through(byPassword()), waitOf());
    const size = 4_000_000;
    let received = 0;
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received === size) resolve();
      });
    });
    socket.write(Buffer.alloc(size, 'x'));
    await done;
    await gone(socket);
    await nothingOpen();
    const clear = await openTransport(through(byPassword(), {}, { mode: 'disable' }), waitOf());
    clear.write(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]));
    expect(await echo(clear, '')).to.equal('S');
    await gone(clear);
    await nothingOpen();
  });

  it('keeps no process alive once it is told so, with TLS and without', async () => {
    await start();
    const held = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    for (const mode of ['verify-full', 'disable'] as const) {
      const socket = await openTransport(through(byPassword(), {}, { mode }), waitOf());
      const before = held();
      expect(socket.unref()).to.equal(socket);
      expect(held(), mode).to.equal(before - 1);
      expect(socket.ref()).to.equal(socket);
      expect(held(), mode).to.equal(before);
      await gone(socket);
      await nothingOpen();
    }
  });

  it('ends in good order when the stream does', async () => {
    await start();
    const socket = await openTransport(through(byPassword()), waitOf());
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume().end();
    await closed;
    await nothingOpen();
  });

  it('goes through a proxy first where both are named', async () => {
    await start();
    const proxy = await startSocksProxy();
    const to = through(byPassword());
    const firewall = {
      protocol: 'socks5',
      host: '127.0.0.1',
      port: proxy.port,
      user: undefined,
      password: undefined,
    } as const;
    await connects({ ...to, way: { ...to.way, firewall } });
    expect(proxy.asked.map(({ target }) => target)).to.deep.equal([`127.0.0.1:${String(ssh.port)}`]);
    await proxy.close();
  });

  it('gives nothing to a server with another key, and tells its fingerprint', async () => {
    await start();
    const to = through(byPassword(), { fingerprint: 'A'.repeat(43) });
    const message = await refused(to, 'POSTGRESQL:TLS', 'SSH_SERVER_NOT_VERIFIED');
    expect(message).to.include(ssh.fingerprint);
    expect(ssh.attempts).to.deep.equal([]);
  });

  it('a wrong password is typed', async () => {
    await start();
    const message = await refused(through(byPassword('wrong')), CANNOT_REACH, 'SSH_AUTHENTICATION_FAILED');
    expect(message).to.include('"tunnel"');
  });

  it('a server that may not forward is typed', async () => {
    await start({ refuseForwarding: true });
    const message = await refused(through(byPassword()), CANNOT_REACH, 'SSH_FORWARDING_REFUSED');
    expect(message).to.match(/db\.example:\d+/);
  });

  it('a port that nobody listens on is typed', async () => {
    await start();
    await refused(through(byPassword(), { port: 1 }), CANNOT_REACH, 'SSH_UNREACHABLE');
  });

  it('what ends the connection instead of speaking SSH is typed', async () => {
    await start();
    const other = await startTlsServer({ answer: 'end' });
    await refused(through(byPassword(), { port: other.port }), CANNOT_REACH, 'SSH_UNREACHABLE');
    await other.close();
  });

  it('N-02 a server that stays silent is left at the deadline, and nothing stays open', async () => {
    await start();
    const silent = await startTlsServer({ answer: 'silence' });
    const attempt = openTransport(through(byPassword(), { port: silent.port }), waitOf(150));
    const error = await failure(attempt, CANNOT_REACH, 'CONNECT_TIMEOUT');
    expect(error.message).to.include('through the SSH server 127.0.0.1');
    while (silent.open > 0) await new Promise((resolve) => setImmediate(resolve));
    await silent.close();
  });

  it('a caller that left before the login leaves nothing open, and nobody logs in', async () => {
    await start();
    const { ssh: server } = through(byPassword()).way;
    if (!server) throw new Error('there is no SSH server');
    const reason = new Error('the caller left');
    const carrier = connect(ssh.port, '127.0.0.1');
    const left = openForwarding(carrier, server, { host: 'db.example', port: 1 }, AbortSignal.abort(reason));
    expect(await left.catch((error: unknown) => error)).to.equal(reason);
    expect(carrier.destroyed).to.equal(true);
    expect(ssh.attempts).to.deep.equal([]);
  });

  it('a caller that leaves when the SSH server has just been reached leaves nothing open', async () => {
    await start();
    const { way } = through(byPassword());
    const reason = new Error('the caller left');
    const { signal } = abortedOnceDialled(reason);
    const attempt = openWay({ host: 'db.example', port: 1 }, way, { clock: systemClock, signal });
    expect(await attempt.catch((error: unknown) => error)).to.equal(reason);
    await nothingOpen();
    expect(ssh.attempts).to.deep.equal([]);
  });

  it('the stream ends when the SSH server dies in between', async () => {
    await start();
    for (const mode of ['verify-full', 'disable'] as const) {
      const socket = await openTransport(through(byPassword(), {}, { mode }), waitOf());
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      ssh.die();
      await closed;
      await nothingOpen();
    }
  });

  describe('with a key', () => {
    // ssh-keygen makes 16 rounds or more; fewer keep the tests fast.
    const pairOf = (type: 'rsa' | 'ecdsa' | 'ed25519', passphrase?: string, rounds = 2) => {
      const locked = passphrase === undefined ? {} : { passphrase, cipher: 'aes256-ctr', rounds };
      const bits = { rsa: { bits: 2048 }, ecdsa: { bits: 256 }, ed25519: {} }[type];
      const options = { ...bits, ...locked } as { bits: number };
      return readableKeyPair(() => ssh2.utils.generateKeyPairSync(type as 'rsa', options), passphrase);
    };

    for (const type of ['rsa', 'ecdsa', 'ed25519'] as const)
      it(`in OpenSSH form (${type}), plain and with a passphrase`, async () => {
        for (const passphrase of [undefined, PASSPHRASE]) {
          const pair = pairOf(type, passphrase);
          await start({ publicKey: pair.public });
          await connects(through(byKey(pair.private, passphrase)));
          expect(ssh.attempts.at(-1)).to.equal('publickey');
          await ssh.close();
        }
        await start();
      });

    it('in PEM form, plain and encrypted, as text with written line ends and from a file', async () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
      const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
      const parsed = ssh2.utils.parseKey(sec1);
      if (parsed instanceof Error) throw parsed;
      await start({ publicKey: `ecdsa-sha2-nistp256 ${parsed.getPublicSSH().toString('base64')}` });
      const plain = privateKey.export(pkcs8).toString();
      await connects(through(byKey(plain)));
      await connects(through(byKey(sec1)));
      await connects(through(byKey(plain.replaceAll('\n', '\\n'))));
      const locked = privateKey
        .export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
        .toString();
      writeFileSync(folder.path('key.pem'), locked);
      await connects(through(byKey(folder.path('key.pem'), PASSPHRASE)));
    });

    it('reads a replaced file again, and keeps the last good key while there is none', async () => {
      const [first, second] = [pairOf('ed25519'), pairOf('ed25519')];
      const path = folder.path('id');
      writeFileSync(path, first.private);
      await start({ publicKey: first.public });
      const proof = byKey(path);
      await connects(through(proof));
      rmSync(path);
      await connects(through(proof));
      await ssh.close();
      writeFileSync(path, second.private);
      await start({ publicKey: second.public });
      await connects(through(proof));
    });

    it('that ssh-keygen made with a passphrase opens (needs ssh-keygen of OpenSSH)', async function () {
      const path = folder.path('made');
      try {
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', PASSPHRASE, '-f', path]);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.skip();
        throw error;
      }
      const { readFileSync } = await import('node:fs');
      await start({ publicKey: readFileSync(`${path}.pub`, 'utf8') });
      await connects(through(byKey(path, PASSPHRASE)));
    });

    it('that the server does not know is typed', async () => {
      await start({ publicKey: pairOf('ed25519').public });
      await refused(through(byKey(pairOf('ed25519').private)), CANNOT_REACH, 'SSH_AUTHENTICATION_FAILED');
    });

    const locked = pairOf('ed25519', PASSPHRASE).private;
    const wrong: readonly (readonly [what: string, proof: SshProof, code: ErrorCode])[] = [
      ['a wrong passphrase', byKey(locked, 'wrong'), 'SSH_KEY_PASSPHRASE_WRONG'],
      ['no passphrase', byKey(locked), 'SSH_KEY_PASSPHRASE_WRONG'],
      ['a damaged key', byKey(locked.replace(/\n.{40}/, '\nAAAA'), PASSPHRASE), 'SSH_KEY_UNUSABLE'],
      ['a PuTTY key', byKey('PuTTY-User-Key-File-3: ssh-ed25519\n'), 'SSH_KEY_UNUSABLE'],
      [
        'a public key',
        byKey('-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----'),
        'SSH_KEY_UNUSABLE',
      ],
      ['a path without a file', byKey('/no/such/key'), 'PROPERTY_FILE_UNREADABLE'],
    ];
    for (const [what, proof, code] of wrong)
      it(`${what} is typed`, async () => {
        await start();
        await refused(through(proof), SETTINGS, code);
        expect(ssh.attempts).to.deep.equal([]);
      });

    it('whose passphrase would take for ever to try is refused at once', async () => {
      await start();
      const bytes = Buffer.from(locked.replace(/-----.*-----|\n/g, ''), 'base64');
      const salt = bytes.indexOf('bcrypt') + 'bcrypt'.length + 4;
      bytes.writeUInt32BE(4_000_000_000, salt + 4 + bytes.readUInt32BE(salt));
      const hostile = `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
      expect(await refused(through(byKey(hostile, PASSPHRASE)), SETTINGS, 'SSH_KEY_UNUSABLE')).to.include(
        'rounds',
      );
    });

    it('in PEM form with a wrong passphrase names the property', async () => {
      await start();
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pkcs8 = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const;
      const to = through(byKey(privateKey.export(pkcs8).toString(), 'wrong'));
      const error = await failure(openTransport(to, waitOf()), SETTINGS, 'SSH_KEY_PASSPHRASE_WRONG');
      expect(error.properties).to.deep.equal(['SSHClientCertPassword']);
    });

    it('waits for no thread that ended without an answer', async () => {
      process.once('worker', (thread) => void thread.terminate());
      const opened = openSshKey(locked, new Secret(PASSPHRASE));
      const error: unknown = await opened.catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(Error).with.property('message').that.includes('without an answer');
    });

    it('opening it never holds the event loop up', async () => {
      const pair = pairOf('ed25519', PASSPHRASE, 16);
      await start({ publicKey: pair.public });
      let longest = 0;
      let last = performance.now();
      let isOver = false;
      const watch = (): void => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        if (!isOver) setImmediate(watch);
      };
      watch();
      await connects(through(byKey(pair.private, PASSPHRASE)));
      isOver = true;
      // In the loop itself it would take 300 ms of an idle machine.
      expect(longest).to.be.lessThan(200);
    });
  });
});
