import type { Secret } from '../settings/secret.js';
import type { ServerError } from './pg-error.js';

/** Bytes before the body of a message: its type and its length (PostgreSQL documentation, section 54.1). */
const HEADER_BYTES = 5;
const CLEARTEXT_PASSWORD = 3;

const CANCEL_REQUEST_CODE = 80_877_102;
const PROTOCOL_3_0 = 196_608;

/** Whether `first`, the first message of a connection, is a CancelRequest (section 54.7). */
export function isCancelRequest(first: Buffer | undefined): boolean {
  return first !== undefined && first.length >= 8 && first.readInt32BE(4) === CANCEL_REQUEST_CODE;
}

/** Whether the AuthenticationRequest `message` asks for a cleartext password. */
export function requestsCleartext(message: Buffer): boolean {
  return message.readInt32BE(HEADER_BYTES) === CLEARTEXT_PASSWORD;
}

/** PasswordMessage (section 54.7). */
export function passwordMessage(secret: Secret): Buffer {
  const body = Buffer.from(`${secret.reveal()}\0`);
  const header = Buffer.from('p\0\0\0\0', 'latin1');
  header.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([header, body]);
}

/** The parameters of `first`, the first message of a connection; undefined where it is no whole StartupMessage. */
export function startupParameters(first: Buffer): Map<string, string> | undefined {
  const isWhole = first.length >= 9 && first.readInt32BE(0) === first.length;
  if (!isWhole || first.readInt32BE(4) !== PROTOCOL_3_0) return undefined;
  const texts = first.toString('utf8', 8).split('\0');
  // Behind the last value stands an empty name, with its own end.
  if (texts.length % 2 !== 0 || texts.at(-1) !== '' || texts.at(-2) !== '') return undefined;
  const parameters = new Map<string, string>();
  for (let at = 0; at < texts.length - 2; at += 2) parameters.set(texts[at] ?? '', texts[at + 1] ?? '');
  return parameters;
}

/** StartupMessage (section 54.7). */
export function startupMessage(parameters: ReadonlyMap<string, string>): Buffer {
  const texts = [...parameters].map(([name, value]) => `${name}\0${value}\0`).join('');
  const body = Buffer.from(`${texts}\0`);
  const header = Buffer.alloc(8);
  header.writeInt32BE(header.length + body.length, 0);
  header.writeInt32BE(PROTOCOL_3_0, 4);
  return Buffer.concat([header, body]);
}

/** The parameter `name` of a StartupMessage; undefined where it has none, and for any other message. */
export function startupValue(startup: Buffer | undefined, name: string): string | undefined {
  return startup && startupParameters(startup)?.get(name);
}

/** Fields of an ErrorResponse that a login has (section 54.8), by their letters. */
const FIELDS: Readonly<Record<string, keyof ServerError>> = {
  S: 'severity',
  C: 'code',
  M: 'message',
  R: 'routine',
};

/** What the well-formed ErrorResponse `message` says, as the driver would give it. */
export function errorIn(message: Buffer): ServerError {
  const texts = message.toString('utf8', HEADER_BYTES).split('\0').filter(Boolean);
  const fields = texts.flatMap((text) => {
    const name = FIELDS[text.charAt(0)];
    return name === undefined ? [] : [[name, text.slice(1)]];
  });
  return Object.assign(new Error(), { code: '', severity: '' }, Object.fromEntries(fields)) as ServerError;
}
