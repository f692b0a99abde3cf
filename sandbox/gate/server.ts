import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { BoundedLog } from '../bounded-log.js';
import { reset } from '../reset.js';
import { enterBackend, forwardCancel, join } from './backend.js';
import type { GateCancel, GateLogin } from './login-log.js';
import { authenticate, leavesToPostgres, type LoginParts } from './login.js';
import { negotiate, type Negotiated } from './negotiation.js';
import { LoginRefused, loginRefusals } from './refusal.js';
import { fatalError, ProtocolViolation, requestCodes, startupParameters } from './wire.js';

/** What the gate is made of. */
export interface GateParts extends LoginParts {
  /** Key and certificate. */
  readonly tls: tls.SecureContextOptions;
  /** Path of PostgreSQL's unix socket; undefined: there is no server. */
  readonly backend: string | undefined;
  readonly log: BoundedLog<GateLogin>;
  readonly cancels: BoundedLog<GateCancel>;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Time for a client to log in, in ms; 10 s when absent. */
  readonly loginLimitMs?: number;
}

/** A running gate. */
export interface Gate {
  readonly host: string;
  readonly port: number;
  /** With `false` connections are refused until it is `true` again, on the same port. */
  setReachable(reachable: boolean): Promise<void>;
  /** Uses another certificate, or other TLS versions, for connections from now on. */
  setTls(options: tls.SecureContextOptions): void;
  /** Resets every open connection; gives how many there were. */
  dropConnections(): number;
  close(): Promise<void>;
}

/** A server on 127.0.0.1 that lets clients in as Azure Database for PostgreSQL does, then gets out of their way. */
export const startGate = async (parts: GateParts): Promise<Gate> => {
  const open = new Set<net.Socket>();
  let context = tls.createSecureContext(parts.tls);
  const server = net.createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    attend(parts, context, socket, (login) => parts.log.add(login)).catch(() => socket.destroy());
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const dropConnections = (): number => {
    const count = open.size;
    for (const socket of open) reset(socket);
    return count;
  };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      dropConnections();
    });
  return {
    host: 'localhost',
    port,
    setTls: (options) => {
      context = tls.createSecureContext(options);
    },
    dropConnections,
    setReachable: async (reachable) => {
      if (reachable === server.listening) return;
      if (reachable) await listen(port);
      else await close();
    },
    close,
  };
};

/** Sees one connection through its login, within the time for it. Rejects if there is nobody left to answer. */
const attend = async (
  parts: GateParts,
  context: tls.SecureContext,
  socket: net.Socket,
  record: (login: GateLogin) => void,
): Promise<void> => {
  const timer = setTimeout(() => socket.destroy(), parts.loginLimitMs ?? 10_000);
  try {
    const negotiated = await negotiate(socket, {
      context,
      plaintextOnly: parts.script.plaintextOnly,
    });
    if (negotiated.packet.code === requestCodes.cancel) {
      parts.cancels.add({ at: parts.now(), encrypted: negotiated.encrypted });
      if (parts.backend !== undefined) await forwardCancel(parts.backend, negotiated.packet);
      endSoon(negotiated.stream, socket);
    } else {
      const outcome = await admit(parts, negotiated, socket.remoteAddress ?? '', record);
      if (outcome !== 'accepted') endSoon(negotiated.stream, socket);
    }
  } finally {
    clearTimeout(timer);
  }
};

/** Ends the connection, whether the client does its part or not. */
const endSoon = (stream: Duplex, socket: net.Socket): void => {
  stream.end();
  stream.resume();
  setTimeout(() => socket.destroy(), 1_000).unref();
};

/** What is known of a login while it goes on. */
type LoginNotes = { -readonly [Name in keyof GateLogin]: GateLogin[Name] };

const admit = async (
  parts: GateParts,
  negotiated: Negotiated,
  clientAddress: string,
  record: (login: GateLogin) => void,
): Promise<GateLogin['outcome']> => {
  const notes: LoginNotes = {
    at: parts.now(),
    role: '',
    database: '',
    outcome: 'abandoned',
    encrypted: negotiated.encrypted,
    passwordReceived: false,
  };
  try {
    await enter(parts, negotiated, clientAddress, notes);
  } catch (error) {
    const refusal = toRefusal(error);
    if (refusal === undefined) throw error;
    refuse(negotiated.stream, refusal, notes);
  } finally {
    record({ ...notes, at: parts.now() });
  }
  return notes.outcome;
};

const enter = async (
  parts: GateParts,
  { stream, encrypted, packet }: Negotiated,
  clientAddress: string,
  notes: LoginNotes,
): Promise<void> => {
  if (packet.code >>> 16 !== 3) throw new LoginRefused(loginRefusals.protocolUnsupported(packet.code));
  const parameters = startupParameters(packet);
  const role = parameters.get('user');
  if (role === undefined || role === '') throw new LoginRefused(loginRefusals.noUser());
  notes.role = role;
  notes.database = databaseOf(parameters, role);
  const applicationName = parameters.get('application_name');
  if (applicationName !== undefined) notes.applicationName = applicationName;
  if (!encrypted && !parts.script.plaintextOnly) {
    throw new LoginRefused(loginRefusals.noEncryption(clientAddress, role, notes.database));
  }
  const onPassword = (): void => {
    notes.passwordReceived = true;
    const scripted = parts.script.refusals.shift();
    if (scripted) throw new LoginRefused(scripted);
  };
  const found = await parts.findRole(role);
  const { tokenId } = (await leavesToPostgres(parts, found))
    ? { tokenId: undefined }
    : await authenticate(parts, stream, { role, found }, onPassword);
  if (tokenId !== undefined) notes.tokenId = tokenId;
  if (parts.backend === undefined) throw new LoginRefused(loginRefusals.serverAbsent(), tokenId);
  const answer = await enterBackend(parts.backend, packet, { stream, onPassword });
  if (answer.accepted) {
    notes.outcome = 'accepted';
    join(stream, answer.socket);
  } else {
    Object.assign(notes, { outcome: 'refused', refusedBy: 'postgres' });
    notes.sqlState = answer.sqlState;
    notes.message = answer.message;
  }
};

/** The database asked for; the role's name stands in for one that is absent or empty. */
const databaseOf = (parameters: ReadonlyMap<string, string>, role: string): string => {
  const database = parameters.get('database');
  return database === undefined || database === '' ? role : database;
};

/** The refusal that an error stands for; undefined if the client is gone or the server did not answer. */
const toRefusal = (error: unknown): LoginRefused | undefined => {
  if (error instanceof LoginRefused) return error;
  if (error instanceof ProtocolViolation)
    return new LoginRefused(loginRefusals.protocolViolation(error.message));
  if ((error as NodeJS.ErrnoException).syscall === 'connect')
    return new LoginRefused(loginRefusals.serverAbsent());
  return undefined;
};

const refuse = (stream: Duplex, refusal: LoginRefused, notes: LoginNotes): void => {
  notes.outcome = 'refused';
  notes.refusedBy = 'gate';
  notes.sqlState = refusal.sqlState;
  notes.message = refusal.message;
  if (refusal.tokenId !== undefined) notes.tokenId = refusal.tokenId;
  stream.write(fatalError(refusal.sqlState, refusal.message));
};
