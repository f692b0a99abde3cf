import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** The TLS that runs over a socket. */
const overlays = new WeakMap<Socket, TLSSocket>();

/** Tells {@link reset} that `secured` writes to `socket` from now on. */
export const overlay = (socket: Socket, secured: TLSSocket): void => {
  overlays.set(socket, secured);
};

/**
 * Ends a connection by RST, which its other side sees as an error. One that is being ended already is closed instead:
 * libuv does not reset after shutdown() (uv_tcp_close_reset gives EINVAL), Node.js 20 then forgets the handle, and the
 * process spins for ever where it should exit.
 */
export const reset = (socket: Socket): void => {
  if (socket.writableEnded || overlays.get(socket)?.writableEnded === true) socket.destroy();
  else socket.resetAndDestroy();
};
