import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ConnectorError, describe, isConnectorError } from '../errors.js';
import { LoginDialogue, type LoginProof } from './login-dialogue.js';
import { isWellFormed } from './login-message.js';
import type { BearerDemand } from './oauth-bearer.js';
import { FrameSplitter, HEADER_BYTES } from './protocol/frames.js';
import { Requests } from './protocol/requests.js';
import { connectionLost, type Endpoint } from './transport.js';

/** Largest message before the login is complete; a real one has a few hundred bytes. */
const LARGEST_LOGIN_MESSAGE = 65_536;
/** Largest message of all: PostgreSQL itself makes none beyond (source, MaxAllocSize). */
const LARGEST_MESSAGE = 0x3fff_ffff;

/** Reads the answers to its own statements in place of the driver. */
export interface MessageReader {
  /** Takes one message: `bytes[start]` is its type, its body ends before `end`. `bytes` is only lent. */
  message(bytes: Buffer, start: number, end: number): void;
}

/** Types that may come at any time once the login is complete. */
const UNASKED = new Set(Buffer.from('NSAE'));
/** Of these the reader gets the errors, the driver the rest. */
const FOR_THE_DRIVER = new Set(Buffer.from('NSA'));
/** Types that answer a statement. */
const ANSWERS = new Set(Buffer.from('123CDGHITWZcdnst'));
const READY_FOR_QUERY = 'Z'.charCodeAt(0);

/**
 * Stands between a stream and the driver. It lets through only whole messages that the state of the
 * session allows: before the login is complete those of a login that the secret at hand may take part
 * in ({@link LoginDialogue}), after it answers to what was asked. Anything else ends the stream with a
 * typed error before the driver sees it. Whatever the driver throws while it reads ends the stream too,
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
  readonly #frames: FrameSplitter;
  readonly #requests = new Requests();
  #isOpen = false;
  #failure: ConnectorError | undefined;
  #reader: MessageReader | undefined;
  /** ReadyForQuery messages that the driver is to get before the reader takes over. */
  #driverAwaits = 0;
  /** Messages in a row that the driver gets in one piece: where they stand. */
  #run: { bytes: Buffer; start: number; end: number } | undefined;

  /** `onAccepted` is told once the server has let us in, before the driver hears of it. */
  constructor(socket: Socket, endpoint: Endpoint, proof: LoginProof, onAccepted: () => void) {
    super();
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#login = new LoginDialogue(proof);
    this.#onAccepted = onAccepted;
    this.#frames = new FrameSplitter(
      (bytes, start, end) => {
        if (this.#isOpen) this.#receiveAnswer(bytes, start, end);
        else this.#receiveLogin(bytes.subarray(start, end));
      },
      () => (this.#isOpen ? LARGEST_MESSAGE : LARGEST_LOGIN_MESSAGE),
    );
    if (socket instanceof TLSSocket) this.getPeerCertificate = socket.getPeerCertificate.bind(socket);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (error: Error) => this.emit('error', this.#lost(error)));
    socket.on('end', () => this.emit('end'));
    socket.on('close', () => this.emit('close'));
    socket.on('drain', () => this.emit('drain'));
  }

  /** Why it ended the stream; undefined while it did not. */
  get failure(): ConnectorError | undefined {
    return this.#failure;
  }

  /** What the server wants, once it has refused a token by OAUTHBEARER. */
  get demand(): BearerDemand | undefined {
    return this.#login.demand;
  }

  /** Whether the server owes an answer; the event `idle` tells that it does no longer. */
  get isBusy(): boolean {
    return this.#requests.isBusy;
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
    if (this.#isOpen) this.#requests.note(data);
    return this.#socket.write(data, callback);
  }

  /**
   * Gives the answers to what is written from now on to `reader` in place of the driver, until it is
   * called without one. What the driver has asked before is answered to the driver.
   */
  divert(reader: MessageReader | undefined): void {
    this.#reader = reader;
    this.#driverAwaits = reader ? this.#requests.syncs : 0;
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
      const wasBusy = this.isBusy;
      this.#frames.push(chunk);
      this.#flushRun();
      if (wasBusy) this.#tellIdle();
    } catch (error) {
      this.#failure = isConnectorError(error) ? error : this.#violation(describe(error));
      this.#socket.destroy(this.#failure);
    }
  }

  #tellIdle(): void {
    if (!this.isBusy) this.emit('idle');
  }

  #receiveLogin(message: Buffer): void {
    if (this.#admit(message)) this.emit('data', message);
  }

  #receiveAnswer(bytes: Buffer, start: number, end: number): void {
    const type = bytes.readUInt8(start);
    if (!UNASKED.has(type)) this.#admitAnswer(type);
    if (this.#reader && this.#driverAwaits === 0 && !FOR_THE_DRIVER.has(type)) {
      this.#reader.message(bytes, start, end);
      return;
    }
    this.#extendRun(bytes, start, end);
    if (this.#driverAwaits > 0 && type === READY_FOR_QUERY) this.#driverAwaits -= 1;
  }

  #admitAnswer(type: number): void {
    const isAsked = type === READY_FOR_QUERY ? this.#requests.answered() : this.#requests.isBusy;
    if (isAsked && ANSWERS.has(type)) return;
    const name = JSON.stringify(String.fromCharCode(type));
    throw this.#violation(isAsked ? `an unknown message ${name}` : `message ${name} that answers nothing`);
  }

  #extendRun(bytes: Buffer, start: number, end: number): void {
    const run = this.#run;
    if (run?.bytes === bytes && run.end === start) {
      run.end = end;
      return;
    }
    this.#flushRun();
    this.#run = { bytes, start, end };
  }

  #flushRun(): void {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    this.emit('data', run.bytes.subarray(run.start, run.end));
  }

  /** Whether the driver gets `message`. */
  #admit(message: Buffer): boolean {
    const type = message.toString('latin1', 0, 1);
    if (!isWellFormed(type, message.subarray(HEADER_BYTES))) {
      throw this.#violation(`a malformed message ${JSON.stringify(type)} during the login`);
    }
    if (type === 'R') return this.#admitAuthentication(message);
    if (type === 'Z' && this.#login.isAccepted) this.#isOpen = true;
    else if (!isExpected(type, this.#login.isAccepted))
      throw this.#violation(`message ${JSON.stringify(type)} during the login`);
    return true;
  }

  #admitAuthentication(message: Buffer): boolean {
    const admission = this.#login.admit(message.subarray(HEADER_BYTES));
    if (admission.kind === 'refused') {
      const { reason } = admission;
      throw typeof reason === 'string' ? this.#violation(reason) : reason;
    }
    if (admission.kind === 'answered') this.#socket.write(admission.reply);
    if (this.#login.isAccepted) this.#onAccepted();
    return admission.kind === 'passed';
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
