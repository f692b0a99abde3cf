import type { Duplex } from 'node:stream';

/**
 * PostgreSQL's frontend/backend protocol, version 3, as far as a login needs it
 * (https://www.postgresql.org/docs/18/protocol-message-formats.html).
 */

/** Codes that stand where a startup packet has its protocol version. */
export const requestCodes = { ssl: 80_877_103, gssEncryption: 80_877_104, cancel: 80_877_102 } as const;

/** Longest startup packet that PostgreSQL reads, in bytes (MAX_STARTUP_PACKET_LENGTH). */
const longestStartupPacket = 10_000;

/** Thrown when the client, or the server, broke off before all was read. */
class ConnectionEnded extends Error {
  constructor() {
    super('the connection ended');
    this.name = 'ConnectionEnded';
  }
}

/** Thrown when bytes cannot be what the protocol asks for. */
export class ProtocolViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolViolation';
  }
}

/**
 * The next `count` bytes of a stream, and not one more: what follows stays in the stream for the next reader.
 * Rejects with {@link ConnectionEnded} if the stream ends first.
 */
export const readBytes = async (stream: Duplex, count: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for (let missing = count; missing > 0;) {
    // Always takes all there is: a stream with bytes left in it would call itself readable again at once, for ever.
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) {
      chunks.push(chunk.subarray(0, missing));
      if (chunk.length > missing) stream.unshift(chunk.subarray(missing));
      missing -= Math.min(missing, chunk.length);
    } else {
      if (stream.destroyed || stream.readableEnded) throw new ConnectionEnded();
      await readable(stream);
    }
  }
  return Buffer.concat(chunks);
};

const readable = (stream: Duplex): Promise<void> =>
  new Promise((resolve) => {
    const settle = (): void => {
      for (const event of events) stream.off(event, settle);
      resolve();
    };
    const events = ['readable', 'end', 'close', 'error'] as const;
    for (const event of events) stream.on(event, settle);
  });

/** A packet without a type byte: everything before the login. */
export interface StartupPacket {
  /** Protocol version, or one of {@link requestCodes}. */
  readonly code: number;
  /** All of it, length and code included. */
  readonly bytes: Buffer;
}

/** The next startup packet. */
export const readStartupPacket = async (stream: Duplex): Promise<StartupPacket> => {
  const length = await readBytes(stream, 4);
  const size = length.readInt32BE(0);
  if (size < 8 || size > longestStartupPacket)
    throw new ProtocolViolation('invalid length of startup packet');
  const rest = await readBytes(stream, size - 4);
  return { code: rest.readInt32BE(0), bytes: Buffer.concat([length, rest]) };
};

/** The parameters of a startup packet by name; a name given twice has its last value, as in PostgreSQL. */
export const startupParameters = ({ bytes }: StartupPacket): ReadonlyMap<string, string> => {
  const invalid = new ProtocolViolation('invalid startup packet layout: expected terminator as last byte');
  if (bytes.length < 9 || bytes.at(-1) !== 0) throw invalid;
  const texts = bytes.subarray(8, -1).toString('utf8').split('\0');
  if (texts.pop() !== '' || texts.length % 2 !== 0) {
    if (texts.length > 0 || bytes.length > 9) throw invalid;
  }
  const parameters = new Map<string, string>();
  for (let index = 0; index < texts.length; index += 2)
    parameters.set(texts[index] ?? '', texts[index + 1] ?? '');
  return parameters;
};

/** One message with a type byte. */
export interface Message {
  /** One letter. */
  readonly type: string;
  readonly body: Buffer;
}

/** The next message, whose body may have at most `longestBody` bytes. */
export const readMessage = async (stream: Duplex, longestBody: number): Promise<Message> => {
  const head = await readBytes(stream, 5);
  const size = head.readInt32BE(1) - 4;
  if (size < 0 || size > longestBody) throw new ProtocolViolation('invalid message length');
  const body = size === 0 ? Buffer.alloc(0) : await readBytes(stream, size);
  return { type: String.fromCharCode(head[0] ?? 0), body };
};

/** The bytes of a message. */
export const encodeMessage = ({ type, body }: Message): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};

/** An Authentication message (type R) with this code and data. */
export const authenticationRequest = (code: number, data: Buffer = Buffer.alloc(0)): Buffer => {
  const body = Buffer.alloc(4);
  body.writeInt32BE(code);
  return encodeMessage({ type: 'R', body: Buffer.concat([body, data]) });
};

/** An ErrorResponse of severity FATAL. */
export const fatalError = (sqlState: string, message: string): Buffer => {
  const fields = [
    ['S', 'FATAL'],
    ['V', 'FATAL'],
    ['C', sqlState],
    ['M', message],
    ['F', 'auth.c'],
    ['R', 'auth_failed'],
  ];
  const text = fields.map(([code, value]) => `${code}${value?.replaceAll('\0', '')}\0`).join('');
  return encodeMessage({ type: 'E', body: Buffer.from(`${text}\0`) });
};

/** SQLSTATE and message of an ErrorResponse. */
export const readError = ({ body }: Message): { readonly sqlState: string; readonly message: string } => {
  const fields = body.toString('utf8').split('\0');
  const field = (code: string): string => fields.find((text) => text.startsWith(code))?.slice(1) ?? '';
  return { sqlState: field('C'), message: field('M') };
};
