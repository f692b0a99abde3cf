/** A thread that derives one key by bcrypt, which the library does without ever giving way. */
// @ts-expect-error -- the library has no types
import bcrypt from 'bcrypt-pbkdf';
import { parentPort, workerData } from 'node:worker_threads';

/** What the thread is given; it answers with that many bytes. */
export interface Derivation {
  readonly passphrase: string;
  readonly salt: Uint8Array;
  readonly rounds: number;
  readonly bytes: number;
}

type Pbkdf = (
  ...given: [
    ...[passphrase: Buffer, passphraseBytes: number],
    ...[salt: Buffer, saltBytes: number],
    ...[derived: Buffer, derivedBytes: number],
    rounds: number,
  ]
) => number;

const { pbkdf } = bcrypt as { readonly pbkdf: Pbkdf };
const { passphrase, salt, rounds, bytes } = workerData as Derivation;
const secret = Buffer.from(passphrase);
const derived = Buffer.alloc(bytes);
pbkdf(secret, secret.length, Buffer.from(salt), salt.length, derived, bytes, rounds);
parentPort?.postMessage(derived);
