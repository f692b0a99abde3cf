import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import { LoginDialogue, type LoginProof } from './login-dialogue.js';
import { isWellFormed } from './login-message.js';
import { connectionLost, type Endpoint } from './transport.js';

/** Largest message before the login is complete; a real one has a few hundred bytes. */
const LARGEST_LOGIN_MESSAGE = 65_536;
const HEADER_BYTES = 5;

/**
 * Stands between a stream and the driver. Until the login is complete it lets through only whole,
 * well-formed messages of a login that the secret at hand may take part in ({@link LoginDialogue}).
 * Anything else ends the stream with a typed error before the driver sees it. Whatever the driver throws while it reads ends the stream too,
 * instead of the process.
 *
 * It has the surface of a socket that `pg` uses and hands writes straight on; it is no
 * `stream.Duplex`, which would double the cost of a pipelined query.
 */
export class Guard extends EventEmitter {
  readonly #socket: Socket;
  readonly #endpoint: Endpoint;
  readonly #login: LoginDialogue;
  readonly #onAccepted: () => void;
  /** What channel binding needs of an encrypted stream. */
  declare readonly getPeerCertificate?: TLSSocket['getPeerCertificate'];
  #pending: Buffer = Buffer.alloc(0);
  #isOpen = false;

  /** `onAccepted` is told once the server has let us in, before the driver hears of it. */
  constructor(socket: Socket, endpoint: Endpoint, proof: LoginProof, onAccepted: () => void) {
    super();
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#login = new LoginDialogue(proof);
    this.#onAccepted = onAccepted;
    if (socket instanceof TLSSocket) this.getPeerCertificate = socket.getPeerCertificate.bind(socket);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (error: Error) => this.emit('error', this.#lost(error)));
    socket.on('end', () => this.emit('end'));
    socket.on('close', () => this.emit('close'));
    socket.on('drain', () => this.emit('drain'));
  }

  get writable(): boolean {
    return this.#socket.writable;
  }

  /** The stream is open already: only says so. */
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  write(data: Buffer, callback?: (error?: Error | null) => void): boolean {
    return this.#socket.write(data, callback);
  }

  end(): this {
    this.#socket.end();
    return this;
  }

  destroy(error?: Error): this {
    this.#socket.destroy(error);
    return this;
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  #receive(chunk: Buffer): void {
    try {
      if (this.#isOpen) this.emit('data', chunk);
      else this.#receiveLogin(chunk);
    } catch (error) {
      this.#socket.destroy(isConnectorError(error) ? error : this.#violation(describe(error)));
    }
  }

  #receiveLogin(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      // A message may complete the login: what follows it is no longer looked at.
      if (this.#isOpen) {
        const rest = this.#pending;
        this.#pending = Buffer.alloc(0);
        if (rest.length > 0) this.emit('data', rest);
        return;
      }
      const message = this.#takeMessage();
      if (!message) return;
      this.#admit(message);
      this.emit('data', message);
    }
  }

  #takeMessage(): Buffer | undefined {
    if (this.#pending.length < HEADER_BYTES) return undefined;
    const size = 1 + this.#pending.readInt32BE(1);
    if (size < HEADER_BYTES || size > LARGEST_LOGIN_MESSAGE)
      throw this.#violation('a login message of impossible length');
    if (this.#pending.length < size) return undefined;
    const message = this.#pending.subarray(0, size);
    this.#pending = this.#pending.subarray(size);
    return message;
  }

  #admit(message: Buffer): void {
    const type = message.toString('latin1', 0, 1);
    if (!isWellFormed(type, message.subarray(HEADER_BYTES))) {
      throw this.#violation(`a malformed message ${JSON.stringify(type)} during the login`);
    }
    if (type === 'R') this.#admitAuthentication(message);
    else if (type === 'Z' && this.#login.isAccepted) this.#isOpen = true;
    else if (!isExpected(type, this.#login.isAccepted))
      throw this.#violation(`message ${JSON.stringify(type)} during the login`);
  }

  #admitAuthentication(message: Buffer): void {
    const refusal = this.#login.admit(message.subarray(HEADER_BYTES));
    if (refusal !== undefined) throw typeof refusal === 'string' ? this.#violation(refusal) : refusal;
    if (this.#login.isAccepted) this.#onAccepted();
  }

  #violation(problem: string): ConnectorError {
    const { host, port } = this.#endpoint;
    return new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem });
  }

  #lost(error: Error): ConnectorError {
    return connectionLost(error, this.#endpoint);
  }
}

// Errors, notices and protocol negotiation may come at any time; parameters and the cancel key
// only from a server that has accepted the login.
function isExpected(type: string, isAccepted: boolean): boolean {
  return 'ENv'.includes(type) || (isAccepted && 'SK'.includes(type));
}
