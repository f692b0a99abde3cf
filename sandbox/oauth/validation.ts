import { chown } from 'node:fs/promises';
import net from 'node:net';
import type { GateLogin } from '../gate/login-log.js';
import { judgeToken, type LoginParts } from '../gate/login.js';
import { LoginRefused } from '../gate/refusal.js';
import type { Account } from '../postgres/account.js';

/** What the answer to PostgreSQL's validator is made of. */
export interface ValidationParts extends Pick<LoginParts, 'checkToken' | 'findRole'> {
  /** Path of the unix socket. */
  readonly path: string;
  /** Who may connect to it; undefined: we ourselves. */
  readonly account: Account | undefined;
  readonly record: (login: GateLogin) => void;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** A service that can be ended. */
export interface Validation {
  close(): Promise<void>;
}

/** Longest question, in bytes: PostgreSQL takes tokens of 64 KB. */
const longestQuestion = 70_000;

/**
 * Answers the validator in PostgreSQL whether a token opens a role, by the same judgement as the gate. A question is
 * token and role, the answer `OK <object id>` or `NO`; each text has a zero byte at its end.
 */
export const startValidation = async (parts: ValidationParts): Promise<Validation> => {
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket)).on('error', () => undefined);
    attend(parts, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(parts.path, resolve);
  });
  if (parts.account) await chown(parts.path, parts.account.uid, parts.account.gid);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};

const attend = (parts: ValidationParts, socket: net.Socket): void => {
  let question = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    question += chunk;
    const [token, role, rest] = question.split('\0');
    if (question.length > longestQuestion) socket.destroy();
    else if (token !== undefined && role !== undefined && rest !== undefined)
      judge(parts, token, role).then(
        (answer) => socket.end(`${answer}\0`),
        () => socket.destroy(),
      );
  });
};

const judge = async (parts: ValidationParts, token: string, role: string): Promise<string> => {
  const login = { server: 'oauth', role, database: '', encrypted: true, passwordReceived: true } as const;
  const record = (end: Pick<GateLogin, 'outcome'> & Partial<GateLogin>): void =>
    parts.record({ at: parts.now(), ...login, ...end });
  try {
    const found = await parts.findRole(role);
    const { objectId, id } = await judgeToken(parts, { role, found }, () => token);
    record({ outcome: 'accepted', ...(id !== undefined && { tokenId: id }) });
    return `OK ${objectId}`;
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error;
    const { sqlState, message, tokenId } = error;
    record({
      outcome: 'refused',
      refusedBy: 'gate',
      sqlState,
      message,
      ...(tokenId !== undefined && { tokenId }),
    });
    return 'NO';
  }
};
