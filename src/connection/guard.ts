import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import { isWellFormed } from './login-message.js';
import type { Endpoint } from './transport.js';

/** Largest message before the login is complete; a real one has a few hundred bytes. */
const LARGEST_LOGIN_MESSAGE = 65_536;
const HEADER_BYTES = 5;

/** Codes of AuthenticationRequest (PostgreSQL documentation, section 54.7) that a token never answers. */
const FOREIGN_METHODS: Readonly<Record<number, readonly [method: string, meaning: string]>> = {
  0: ['no question at all (trust)', 'it lets anybody in, so it did not check who we are'],
  2: ['a Kerberos request', 'it expects a Kerberos ticket'],
  5: ['a request for an MD5 password', 'it expects a stored password for this role'],
  7: ['a GSSAPI request', 'it expects a Kerberos ticket'],
  9: ['an SSPI request', 'it expects a Windows login'],
  10: ['a SASL request (SCRAM)', 'it expects a stored password for this role'],
};
const AUTHENTICATION_OK = 0;
const CLEARTEXT_PASSWORD = 3;

/**
 * Stands between a verified stream and the driver. Until the login is complete it lets through
 * only whole, well-formed messages of the one login that a token may take part in: a request for
 * a cleartext password, once, then acceptance. Anything else ends the stream with a typed error
 * before the driver sees it. Whatever the driver throws while it reads ends the stream too,
 * instead of the process.
 *
 * It has the surface of a socket that `pg` uses and hands writes straight on; it is no
 * `stream.Duplex`, which would double the cost of a pipelined query.
 */
export class Guard extends EventEmitter {
  readonly #socket: TLSSocket;
  readonly #endpoint: Endpoint;
  #pending: Buffer = Buffer.alloc(0);
  #state: 'asking' | 'asked' | 'accepted' | 'open' = 'asking';

  constructor(socket: TLSSocket, endpoint: Endpoint) {
    super();
    this.#socket = socket;
    this.#endpoint = endpoint;
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
      if (this.#state === 'open') this.emit('data', chunk);
      else this.#receiveLogin(chunk);
    } catch (error) {
      this.#socket.destroy(isConnectorError(error) ? error : this.#violation(describe(error)));
    }
  }

  #receiveLogin(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      // A message may complete the login: what follows it is no longer looked at.
      if ((this.#state as string) === 'open') {
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
    else if (type === 'Z' && this.#state === 'accepted') this.#state = 'open';
    else if (!isExpected(type, this.#state))
      throw this.#violation(`message ${JSON.stringify(type)} during the login`);
  }

  #admitAuthentication(message: Buffer): void {
    const code = message.readInt32BE(HEADER_BYTES);
    if (code === CLEARTEXT_PASSWORD && this.#state === 'asking') this.#state = 'asked';
    else if (code === AUTHENTICATION_OK && this.#state === 'asked') this.#state = 'accepted';
    else throw this.#notOffered(code);
  }

  #notOffered(code: number): ConnectorError {
    const known = this.#state === 'asking' ? FOREIGN_METHODS[code] : undefined;
    if (!known) return this.#violation(`authentication request ${String(code)}`);
    const [method, meaning] = known;
    return new ConnectorError('TOKEN_LOGIN_NOT_OFFERED', { method, meaning });
  }

  #violation(problem: string): ConnectorError {
    const { host, port } = this.#endpoint;
    return new ConnectorError('PROTOCOL_VIOLATION', { host, port, problem });
  }

  #lost(error: Error): ConnectorError {
    if (isConnectorError(error)) return error;
    const { host, port } = this.#endpoint;
    return new ConnectorError('CONNECTION_LOST', { host, port, problem: describe(error) }, { cause: error });
  }
}

// Errors, notices and protocol negotiation may come at any time; parameters and the cancel key
// only from a server that has accepted the login.
function isExpected(type: string, state: 'asking' | 'asked' | 'accepted' | 'open'): boolean {
  return 'ENv'.includes(type) || (state === 'accepted' && 'SK'.includes(type));
}
