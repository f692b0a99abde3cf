import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { createHash } from 'node:crypto';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { reset } from '#sandbox/reset.js';

/** An SSH server on loopback, of the library `ssh2`, that lets one user in and forwards to loopback. */
export interface SshServer {
  readonly port: number;
  /** As `ssh-keygen -lf` prints it. */
  readonly fingerprint: string;
  /** Ways by which clients tried to log in, in their order. */
  readonly attempts: string[];
  /** What was to be forwarded to, `host:port`. */
  readonly asked: string[];
  /** Clients that are connected. */
  readonly open: number;
  /** Ends every connection at once, as a machine that goes down. */
  die(): void;
  close(): Promise<void>;
}

export interface SshServerOptions {
  readonly user: string;
  readonly password?: string;
  /** The one public key that is let in, as OpenSSH writes it. */
  readonly publicKey?: string;
  readonly refuseForwarding?: boolean;
  /** Takes connections and says nothing. */
  readonly silent?: boolean;
}

type KeyPair = ReturnType<typeof ssh2.utils.generateKeyPairSync>;

/** What `generate` gives; ssh2 1.17 makes about one ed25519 key in 130 that nobody can read, itself included. */
export function readableKeyPair(generate: () => KeyPair, passphrase?: string): KeyPair {
  for (;;) {
    const pair = generate();
    if (!(ssh2.utils.parseKey(pair.private, passphrase) instanceof Error)) return pair;
  }
}

const HOST_KEY = readableKeyPair(() => ssh2.utils.generateKeyPairSync('ed25519'));

export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const sockets = new Set<Socket>();
  const attempts: string[] = [];
  const asked: string[] = [];
  const server = new ssh2.Server({ hostKeys: [HOST_KEY.private] }, (client) => {
    client.on('error', () => undefined);
    authenticate(client, options, attempts);
    forward(client, options, asked);
  });
  // The library hides the sockets that it reads; this one sees them first.
  const listener = (server as unknown as { _srv: import('node:net').Server })._srv;
  listener.prependListener('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (options.silent) socket.pause();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const parsed = ssh2.utils.parseKey(HOST_KEY.public);
  if (parsed instanceof Error) throw parsed;
  const digest = createHash('sha256').update(parsed.getPublicSSH()).digest('base64');
  return {
    port: (server.address() as AddressInfo).port,
    fingerprint: `SHA256:${digest.replace(/=+$/, '')}`,
    attempts,
    asked,
    get open() {
      return sockets.size;
    },
    die: () => {
      for (const socket of sockets) reset(socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

function authenticate(
  client: Connection,
  { user, password, publicKey }: SshServerOptions,
  attempts: string[],
): void {
  const allowed = publicKey === undefined ? undefined : ssh2.utils.parseKey(publicKey);
  if (allowed instanceof Error) throw allowed;
  client.on('authentication', (context) => {
    attempts.push(context.method);
    const isUser = context.username === user;
    if (isUser && context.method === 'password' && context.password === password) context.accept();
    else if (
      isUser &&
      context.method === 'publickey' &&
      allowed &&
      context.key.data.equals(allowed.getPublicSSH())
    ) {
      const { blob, signature, hashAlgo } = context;
      if (!signature || (blob && allowed.verify(blob, signature, hashAlgo))) context.accept();
      else context.reject();
    } else context.reject(['password', 'publickey']);
  });
}

function forward(client: Connection, { refuseForwarding }: SshServerOptions, asked: string[]): void {
  client.on('tcpip', (accept, reject, { destIP, destPort }) => {
    asked.push(`${destIP}:${String(destPort)}`);
    if (refuseForwarding) {
      reject();
      return;
    }
    const upstream = connect(destPort, '127.0.0.1');
    upstream.once('error', () => {
      reject();
    });
    upstream.once('connect', () => {
      join(accept(), upstream);
    });
  });
}

function join(channel: ServerChannel, upstream: Socket): void {
  channel.on('error', () => undefined);
  upstream.on('error', () => undefined);
  channel.on('close', () => upstream.destroy());
  upstream.on('close', () => {
    channel.end();
    channel.close();
  });
  channel.pipe(upstream).pipe(channel);
}
