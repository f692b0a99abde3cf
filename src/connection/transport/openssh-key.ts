import { createDecipheriv } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { ConnectorError } from '../../errors.js';
import type { Secret } from '../../settings/secret.js';
import type { Derivation } from './openssh-key-thread.js';

/**
 * The OpenSSH private key in `text` (PROTOCOL.key of OpenSSH), without the encryption by
 * `passphrase` that it may have. Its key derivation takes a few hundred milliseconds on purpose
 * (bcrypt), so it runs in a thread.
 *
 * @throws ConnectorError SSH_KEY_UNUSABLE, SSH_KEY_PASSPHRASE_WRONG
 */
export async function openSshKey(text: string, passphrase: Secret | undefined): Promise<string> {
  const key = readKey(text);
  if (key.cipher === 'none') return text;
  const cipher = CIPHERS[key.cipher];
  if (!cipher || key.kdf !== 'bcrypt') throw unusable(`it is encrypted by ${key.cipher} with ${key.kdf}`);
  if (key.rounds > MOST_ROUNDS) throw unusable(`its key derivation has more than ${MOST_ROUNDS} rounds`);
  if (!passphrase) throw passphraseWrong();
  const { salt, rounds } = key;
  const [keyBytes, ivBytes] = cipher;
  const derived = await derive({ passphrase: passphrase.reveal(), salt, rounds, bytes: keyBytes + ivBytes });
  const secret = decrypt(key, derived.subarray(0, keyBytes), derived.subarray(keyBytes));
  // Two equal numbers stand in front of the key, to tell a wrong passphrase by.
  if (secret.length < 8 || secret.readUInt32BE(0) !== secret.readUInt32BE(4)) throw passphraseWrong();
  return writeKey(key.publicKey, secret);
}

/** Bytes of key and IV. */
const CIPHERS: Readonly<Record<string, readonly [key: number, iv: number]>> = {
  'aes128-ctr': [16, 16],
  'aes192-ctr': [24, 16],
  'aes256-ctr': [32, 16],
  'aes128-cbc': [16, 16],
  'aes192-cbc': [24, 16],
  'aes256-cbc': [32, 16],
};

/** Some ten times what `ssh-keygen` uses: several seconds of one core. */
const MOST_ROUNDS = 256;

const MAGIC = Buffer.from('openssh-key-v1\0');
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----';
const END = '-----END OPENSSH PRIVATE KEY-----';

interface LockedKey {
  readonly cipher: string;
  readonly kdf: string;
  readonly salt: Buffer;
  readonly rounds: number;
  readonly publicKey: Buffer;
  readonly secret: Buffer;
}

function readKey(text: string): LockedKey {
  const body = text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END));
  const bytes = Buffer.from(body, 'base64');
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged();
  const fields = new Fields(bytes.subarray(MAGIC.length));
  const cipher = fields.string().toString('latin1');
  const kdf = fields.string().toString('latin1');
  const options = new Fields(fields.string());
  const hasOptions = kdf === 'bcrypt';
  const salt = hasOptions ? options.string() : Buffer.alloc(0);
  const rounds = hasOptions ? options.integer() : 0;
  if (fields.integer() !== 1) throw unusable('it holds more than one key');
  return { cipher, kdf, salt, rounds, publicKey: fields.string(), secret: fields.string() };
}

/** Reads the data types of SSH (RFC 4251 section 5) one after the other. */
class Fields {
  #rest: Buffer;

  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }

  integer(): number {
    return this.#take(4).readUInt32BE();
  }

  string(): Buffer {
    return this.#take(this.integer());
  }

  #take(length: number): Buffer {
    if (length > this.#rest.length) throw damaged();
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

function decrypt({ cipher, secret }: LockedKey, key: Buffer, iv: Buffer): Buffer {
  const name = cipher.replace(/^aes(\d+)-/, 'aes-$1-');
  try {
    const decipher = createDecipheriv(name, key, iv).setAutoPadding(false);
    return Buffer.concat([decipher.update(secret), decipher.final()]);
  } catch {
    throw damaged();
  }
}

/** The text of a key that is not encrypted. */
function writeKey(publicKey: Buffer, secret: Buffer): string {
  const none = field(Buffer.from('none'));
  const one = Buffer.from([0, 0, 0, 1]);
  const parts = [MAGIC, none, none, field(Buffer.alloc(0)), one, field(publicKey), field(secret)];
  const lines =
    Buffer.concat(parts)
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return [BEGIN, ...lines, END, ''].join('\n');
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function derive(workerData: Derivation): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('openssh-key-thread.js', import.meta.url), { workerData });
    thread.once('message', (derived: Uint8Array) => {
      resolve(Buffer.from(derived));
    });
    thread.once('error', reject);
    // Of no effect after an answer; without one nothing else would tell its end.
    thread.once('exit', () => {
      reject(new Error('the thread that derives the key ended without an answer'));
    });
  });
}

function damaged(): ConnectorError {
  return unusable('it is damaged');
}

function unusable(problem: string): ConnectorError {
  return new ConnectorError('SSH_KEY_UNUSABLE', { problem }, { properties: ['SSHClientCert'] });
}

/** Wrong or missing. */
export function passphraseWrong(): ConnectorError {
  return new ConnectorError('SSH_KEY_PASSPHRASE_WRONG', {}, { properties: ['SSHClientCertPassword'] });
}
