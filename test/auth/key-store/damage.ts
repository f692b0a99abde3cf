/** Stores of each format, and what becomes of them when they are damaged. */
import { type KeyObject, sign, verify } from 'node:crypto';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { isConnectorError } from '#src/errors.js';
import { withPbmac1 } from './pfx-writer.js';
import { fixture, PASSWORD, service } from './stores.js';

/** A whole store; all hold the pair of {@link service}. */
export interface WholeStore {
  readonly name: string;
  readonly contents: Buffer;
  readonly password: string | undefined;
}

const fromFixture = (name: string, password: string | undefined = PASSWORD): WholeStore => ({
  name,
  contents: fixture(name),
  password,
});

function jwk(): Buffer {
  const x5c = [service.certificate.raw.toString('base64')];
  return Buffer.from(JSON.stringify({ ...service.key.export({ format: 'jwk' }), x5c }));
}

/** One of each kind of format, encryption and integrity, with few iterations. */
export const WHOLE_STORES: readonly WholeStore[] = [
  fromFixture('mac-sha256.pfx'),
  fromFixture('pbes1-3des.pfx'),
  fromFixture('rc2-40.pfx'),
  {
    ...fromFixture('mac-sha256.pfx'),
    name: 'pbmac1.pfx',
    contents: withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, {}),
  },
  fromFixture('aes256-no-mac.pfx'),
  { ...fromFixture('unencrypted-no-mac.pfx'), password: undefined },
  fromFixture('service.jks'),
  fromFixture('service.jceks'),
  fromFixture('traditional-aes256.pem'),
  fromFixture('p7b-leaf-key.pem'),
  { name: 'jwk.json', contents: jwk(), password: undefined },
];

/** How many ways there are to damage `store`: each bit flipped, and each length cut to. */
export function damageCount({ contents }: WholeStore): number {
  return contents.length * 9;
}

// First the flips, then the truncations.
function damaged({ contents }: WholeStore, number: number): Buffer {
  const flips = contents.length * 8;
  if (number >= flips) return contents.subarray(0, number - flips);
  const copy = Buffer.from(contents);
  copy[number >> 3]! ^= 1 << (number & 7);
  return copy;
}

/**
 * What comes of loading `store` with the damage of that number: 'opened' where the key is the right
 * one, else the code of the error.
 *
 * @throws whatever else happens: an error that is none of ours or of another type, a wrong key, a
 *   store that opens though more than white space was cut off
 */
export async function fateOf(store: WholeStore, number: number): Promise<string> {
  const contents = damaged(store, number);
  try {
    const { privateKey, certificate } = await loadKeyStore(contents, { password: store.password });
    if (!certificate.publicKey.equals(service.certificate.publicKey)) throw new Error('a wrong certificate');
    if (!signsAsBefore(privateKey)) throw new Error('a wrong key');
    const cutOff = store.contents.subarray(contents.length).toString('latin1');
    if (cutOff.trim() !== '') throw new Error('opened though cut off');
    return 'opened';
  } catch (error) {
    if (isConnectorError(error) && error.type === 'POSTGRESQL:SETTINGS') return error.code;
    throw error;
  }
}

// A flip in a number that signing does not use leaves a key that is another in bytes and the same in effect.
function signsAsBefore(key: KeyObject): boolean {
  if (key.equals(service.key)) return true;
  const message = Buffer.from('damaged');
  return verify('sha256', message, service.certificate.publicKey, sign('sha256', message, key));
}
