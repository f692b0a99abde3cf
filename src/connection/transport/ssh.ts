import type { Client, ClientChannel, ConnectConfig } from 'ssh2';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { nameOf, type Target } from '../../auth/proxy.js';
import { ConnectorError, describe } from '../../errors.js';
import type { SshServer } from '../../settings/settings.js';
import { sshUnreachable } from './failures.js';
import { sshKeyOf } from './ssh-key.js';
import { SshStream } from './ssh-stream.js';
import { endWith } from './stage.js';

/**
 * A stream to `target` that the SSH server at the other end of `carrier` opens, once it has shown
 * the key of the fingerprint and let the user in; nothing of the user is sent before. The stream
 * owns `carrier`: both end together, and both end when `signal` aborts before it is there.
 *
 * @throws ConnectorError SSH_UNREACHABLE, SSH_SERVER_NOT_VERIFIED, SSH_AUTHENTICATION_FAILED,
 *   SSH_FORWARDING_REFUSED, SSH_KEY_UNUSABLE, SSH_KEY_PASSPHRASE_WRONG, PROPERTY_FILE_UNREADABLE;
 *   the reason of `signal`
 */
export async function openForwarding(
  carrier: Socket,
  ssh: SshServer,
  target: Target,
  signal: AbortSignal,
): Promise<Socket> {
  endWith(signal, carrier);
  try {
    const { default: ssh2 } = await import('ssh2');
    const client = new ssh2.Client();
    const login = await loginOf(ssh);
    // On a carrier that is gone already, the library would wait for ever.
    signal.throwIfAborted();
    await logIn(client, { sock: carrier, ...login }, ssh);
    const channel = await forward(client, ssh, target);
    return new SshStream(channel, client, carrier) as unknown as Socket;
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}

async function loginOf({ user, proof }: SshServer): Promise<ConnectConfig> {
  const common = { username: user, readyTimeout: 0 };
  return proof.kind === 'password'
    ? { ...common, password: proof.password.reveal(), authHandler: ['password'] }
    : { ...common, privateKey: (await sshKeyOf(proof)).reveal(), authHandler: ['publickey'] };
}

function logIn(client: Client, config: ConnectConfig, ssh: SshServer): Promise<void> {
  return new Promise((resolve, reject) => {
    let refusal: ConnectorError | undefined;
    // This listener stays: what happens to the tunnel is told by its stream.
    client.on('error', (error) => {
      reject(refusal ?? loginFailure(error, ssh));
    });
    client.once('close', () => {
      reject(refusal ?? sshUnreachable(new Error('the connection was closed'), ssh));
    });
    client.once('ready', resolve);
    client.connect({
      ...config,
      hostVerifier: (key: Buffer) => {
        const fingerprint = fingerprintOf(key);
        if (fingerprint === ssh.fingerprint) return true;
        refusal = new ConnectorError('SSH_SERVER_NOT_VERIFIED', {
          ssh: nameOf(ssh),
          fingerprint: `SHA256:${fingerprint}`,
        });
        return false;
      },
      // A signature by SHA-1 can be forged.
      algorithms: { serverHostKey: { append: [], prepend: [], remove: ['ssh-rsa', 'ssh-dss'] } },
    });
  });
}

/** As `ssh-keygen -lf` prints it behind `SHA256:`. */
function fingerprintOf(key: Buffer): string {
  return createHash('sha256').update(key).digest('base64').replace(/=+$/, '');
}

function loginFailure(error: Error & { readonly level?: string }, ssh: SshServer): ConnectorError {
  if (error.level !== 'client-authentication') return sshUnreachable(error, ssh);
  return new ConnectorError('SSH_AUTHENTICATION_FAILED', { ssh: nameOf(ssh), user: ssh.user });
}

function forward(client: Client, ssh: SshServer, target: Target): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.once('close', () => {
      reject(sshUnreachable(new Error('the connection was closed'), ssh));
    });
    client.forwardOut('127.0.0.1', 0, target.host, target.port, (error, channel) => {
      if (!error) resolve(channel);
      else
        reject(
          new ConnectorError('SSH_FORWARDING_REFUSED', {
            ssh: nameOf(ssh),
            ...{ host: target.host, port: target.port, problem: describe(error) },
          }),
        );
    });
  });
}
