import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import tls from 'node:tls';
import type { Duplex } from 'node:stream';
import { authenticationRequest, ProtocolViolation, readMessage } from './wire.js';

/**
 * The server's side of SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) with the channel binding `tls-server-end-point`
 * (RFC 5929 section 4). Here and not in PostgreSQL, because what is bound is the gate's certificate.
 */

/** What PostgreSQL stores of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. */
interface Verifier {
  readonly iterations: string;
  readonly salt: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const mechanism = 'SCRAM-SHA-256-PLUS';

/** The request that names the mechanism first, and the one without channel binding after it, as PostgreSQL does. */
export const plusRequest = (): Buffer =>
  authenticationRequest(10, Buffer.from(`${mechanism}\0SCRAM-SHA-256\0\0`));

/** Longest message of the exchange, in bytes (PG_MAX_SASL_MESSAGE_LENGTH). */
const longestMessage = 1024;

/**
 * Whether the client proves that it knows the password and talks to this very TLS endpoint. `onPassword` is called
 * with its first answer. A client that chooses the mechanism without channel binding does not prove that.
 */
export const provesPassword = async (
  stream: Duplex,
  stored: string,
  onPassword: () => void,
): Promise<boolean> => {
  stream.write(plusRequest());
  const opening = await readAnswer(stream);
  onPassword();
  const verifier = readVerifier(stored);
  const [, chosen, clientFirst = ''] = /^([^\0]*)\0[^]{4}([^]*)$/.exec(opening.toString('latin1')) ?? [];
  const [, header = '', clientBare = '', clientNonce = ''] =
    /^(p=tls-server-end-point,,)(n=[^,]*,r=([^,]+).*)$/.exec(clientFirst) ?? [];
  if (chosen !== mechanism || header === '' || verifier === undefined) return false;

  const nonce = clientNonce + randomBytes(18).toString('base64');
  const serverFirst = `r=${nonce},s=${verifier.salt},i=${verifier.iterations}`;
  stream.write(authenticationRequest(11, Buffer.from(serverFirst)));
  const clientFinal = (await readAnswer(stream)).toString('latin1');
  const [, withoutProof = '', binding, echoed, proof = ''] =
    /^(c=([^,]*),r=([^,]*).*),p=([^,]*)$/.exec(clientFinal) ?? [];
  const bound = Buffer.concat([Buffer.from(header), endPointOf(stream)]).toString('base64');
  const signed = `${clientBare},${serverFirst},${withoutProof}`;
  if (binding !== bound || echoed !== nonce || !isProof(proof, signed, verifier)) return false;

  const signature = hmac(verifier.serverKey, signed).toString('base64');
  stream.write(authenticationRequest(12, Buffer.from(`v=${signature}`)));
  return true;
};

const readAnswer = async (stream: Duplex): Promise<Buffer> => {
  const { type, body } = await readMessage(stream, longestMessage);
  if (type !== 'p')
    throw new ProtocolViolation(`expected SASL response, got message type ${type.charCodeAt(0)}`);
  return body;
};

const readVerifier = (stored: string): Verifier | undefined => {
  const [, iterations, salt, storedKey, serverKey] =
    /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(stored) ?? [];
  if (iterations === undefined || salt === undefined) return undefined;
  const key = (text = ''): Buffer => Buffer.from(text, 'base64');
  return { iterations, salt, storedKey: key(storedKey), serverKey: key(serverKey) };
};

/** The proof is ClientKey XOR HMAC(StoredKey, what was said); StoredKey is the digest of ClientKey. */
const isProof = (proof: string, signed: string, { storedKey }: Verifier): boolean => {
  const mask = hmac(storedKey, signed);
  const sent = Buffer.from(proof, 'base64');
  if (sent.length !== mask.length) return false;
  const clientKey = sent.map((octet, index) => octet ^ (mask[index] ?? 0));
  return timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey);
};

/** The digest of the server's certificate; SHA-256, as its signature has that or a weaker one. */
const endPointOf = (stream: Duplex): Buffer => {
  const certificate = stream instanceof tls.TLSSocket ? stream.getX509Certificate() : undefined;
  return createHash('sha256')
    .update(certificate?.raw ?? '')
    .digest();
};

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
