import type { Client, ClientChannel } from 'ssh2';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * A channel of an SSH connection with the surface of a socket that the rest of the connector uses.
 * The SSH connection is its own: it ends with it, also where the SSH server no longer answers.
 */
export class SshStream extends Duplex {
  readonly #channel: ClientChannel;
  readonly #client: Client;
  readonly #carrier: Socket;

  constructor(channel: ClientChannel, client: Client, carrier: Socket) {
    super();
    this.#channel = channel;
    this.#client = client;
    this.#carrier = carrier;
    const leave = (error?: Error): void => {
      this.destroy(error);
    };
    channel.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) channel.pause();
    });
    channel.once('end', () => this.push(null));
    channel.once('error', leave);
    channel.once('close', () => {
      // Read to its end first, as a socket is.
      if (this.readableEnded || !this.readable) leave();
      else this.once('end', () => leave());
    });
    carrier.once('close', () => {
      leave(new Error('the SSH connection was closed'));
    });
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channel.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#client.end();
    this.#carrier.destroy();
    done(error);
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    this.#carrier.ref();
    return this;
  }

  unref(): this {
    this.#carrier.unref();
    return this;
  }
}
