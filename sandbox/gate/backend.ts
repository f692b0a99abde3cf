import net from 'node:net';
import type { Duplex } from 'node:stream';
import { encodeMessage, readError, readMessage, type Message, type StartupPacket } from './wire.js';

/** How PostgreSQL took a login. */
export type BackendAnswer =
  | { readonly accepted: true; readonly socket: net.Socket }
  | { readonly accepted: false; readonly sqlState: string; readonly message: string };

/** Largest message that the server may send while it makes up its mind, in bytes. */
const longestAnswer = 65_536;

/** Time for a cancel request to be taken by the server, in ms. */
const cancelLimitMs = 5_000;

/** The client's side of a login that PostgreSQL decides. */
export interface LoginClient {
  readonly stream: Duplex;
  /** Called when the client has answered a request for its password; may throw to end the login. */
  readonly onPassword: () => void;
}

/**
 * Replays a startup packet to PostgreSQL and carries messages both ways, passwords included, up to the one that
 * tells whether there is a session or a refusal (unknown database, wrong password). Rejects if the server cannot
 * be reached, or the client breaks off.
 */
export const enterBackend = async (
  socketPath: string,
  packet: StartupPacket,
  client: LoginClient,
): Promise<BackendAnswer> => {
  const socket = await connect(socketPath);
  try {
    // It may have left while its token was judged: its `close` has then been.
    if (client.stream.destroyed) throw new Error('the client has left');
    client.stream.once('close', () => socket.destroy());
    socket.write(packet.bytes);
    const answer = await firstDecisiveMessage(socket, client);
    if (answer.type !== 'E') return { accepted: true, socket };
    socket.destroy();
    return { accepted: false, ...readError(answer) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
};

/** Types of messages that come before the decision: Authentication, NoticeResponse, NegotiateProtocolVersion. */
const preliminary = ['R', 'N', 'v'];

/** Authentication messages that ask for an answer: cleartext, MD5, SASL, SASLContinue. */
const asking = [3, 5, 10, 11];

const firstDecisiveMessage = async (
  socket: net.Socket,
  { stream, onPassword }: LoginClient,
): Promise<Message> => {
  for (;;) {
    const message = await readMessage(socket, longestAnswer);
    stream.write(encodeMessage(message));
    if (!preliminary.includes(message.type)) return message;
    if (message.type === 'R' && asking.includes(message.body.readInt32BE(0))) {
      const answer = await readMessage(stream, longestAnswer);
      onPassword();
      socket.write(encodeMessage(answer));
    }
  }
};

/** Carries bytes both ways, each side as fast as the other takes them, until one of them ends. */
export const join = (client: Duplex, backend: net.Socket): void => {
  client.pipe(backend);
  backend.pipe(client);
  client.once('close', () => backend.destroy());
  backend.once('close', () => client.end());
};

/** Hands a CancelRequest to PostgreSQL, which answers nothing; resolves when it has closed the connection. */
export const forwardCancel = async (socketPath: string, packet: StartupPacket): Promise<void> => {
  const socket = await connect(socketPath);
  socket.setTimeout(cancelLimitMs, () => socket.destroy());
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.resume();
    socket.write(packet.bytes);
  });
};

const connect = (path: string): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(socket);
    });
  });
