import { read } from '../../auth/key-store/pem.js';
import { decodeText } from '../../auth/key-store/text.js';
import { WorkBudget } from '../../auth/key-store/work-budget.js';
import { ConnectorError, isConnectorError } from '../../errors.js';
import { Secret } from '../../settings/secret.js';
import type { SshProof } from '../../settings/settings.js';
import { FileMade, type ReadFile } from './file-made.js';
import { openSshKey, passphraseWrong } from './openssh-key.js';

type KeyProof = Extract<SshProof, { kind: 'key' }>;

const KEYS = new WeakMap<KeyProof, FileMade<Secret>>();

/**
 * The private key of `proof` in a form that the SSH client reads without a passphrase. It is kept,
 * since opening it is made dear on purpose, and a replaced file is read again.
 *
 * @throws ConnectorError SSH_KEY_UNUSABLE, SSH_KEY_PASSPHRASE_WRONG, PROPERTY_FILE_UNREADABLE
 */
export function sshKeyOf(proof: KeyProof): Promise<Secret> {
  let key = KEYS.get(proof);
  if (!key) {
    key = new FileMade((readFile) => readKey(proof, readFile));
    KEYS.set(proof, key);
  }
  return key.get();
}

async function readKey(proof: KeyProof, readFile: ReadFile): Promise<Secret> {
  const text = await textOf(proof, readFile);
  const { passphrase } = proof;
  if (/^\s*PuTTY-User-Key-File-/.test(text)) throw unusable(PUTTY);
  if (!text.includes('PRIVATE KEY-----')) throw unusable('it holds no private key in OpenSSH or PEM form');
  const { default: ssh2 } = await import('ssh2');
  const key = text.includes('-----BEGIN OPENSSH PRIVATE KEY-----')
    ? await openSshKey(text, passphrase)
    : await readPem(text, passphrase);
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error || Array.isArray(parsed))
    throw unusable('it is damaged, or of a kind that is not supported');
  return new Secret(key);
}

const PUTTY = 'it is a PuTTY key; convert it with "puttygen key.ppk -O private-openssh-new -o key"';

async function textOf({ key, isFile }: KeyProof, readFile: ReadFile): Promise<string> {
  const given = key.reveal();
  if (!(isFile ?? !/-----BEGIN |PuTTY-User-Key-File-/.test(given))) return given.replace(/\\r\\n|\\n/g, '\n');
  try {
    return decodeText(await readFile(given));
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    const details = { property: 'SSHClientCert', reason: typeof code === 'string' ? code : 'unknown reason' };
    throw new ConnectorError('PROPERTY_FILE_UNREADABLE', details, { properties: ['SSHClientCert'] });
  }
}

/** PKCS#8, PKCS#1 or SEC1, plain or encrypted, as PKCS#1 or SEC1: what the SSH client reads. */
async function readPem(text: string, passphrase: Secret | undefined): Promise<string> {
  const passwords = { store: passphrase, key: undefined };
  const { keys } = await read(Buffer.from(text), passwords, new WorkBudget()).catch((error: unknown) => {
    throw pemError(error);
  });
  const { privateKey } = keys[0] ?? {};
  if (privateKey?.asymmetricKeyType === 'rsa')
    return privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (privateKey?.asymmetricKeyType === 'ec')
    return privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  throw unusable(
    `a ${privateKey?.asymmetricKeyType ?? 'missing'} key in PEM form is not supported; write RSA or EC keys in PEM form, others in OpenSSH form`,
  );
}

function pemError(error: unknown): unknown {
  if (!isConnectorError(error)) return error;
  if (error.code === 'CERTIFICATE_PASSWORD_WRONG') return passphraseWrong();
  return unusable(error.message.replace(/^.*?: |\.$/g, ''));
}

function unusable(problem: string): ConnectorError {
  return new ConnectorError('SSH_KEY_UNUSABLE', { problem }, { properties: ['SSHClientCert'] });
}
