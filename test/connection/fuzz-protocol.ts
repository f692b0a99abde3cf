/**
 * Conversations with a server, mutated, through guard, driver and session:
 *
 *     npm run fuzz:protocol -- [count of messages, 1,000,000 unless told] [seed]
 *
 * Whatever comes, nothing may be thrown past the guard and every wait must settle.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import { startBudget, systemClock } from '#src/clock.js';
import type { Placement } from '#src/connection/host-roles.js';
import type { LaneRead } from '#src/connection/lane-read.js';
import { logIn } from '#src/connection/login.js';
import { isServerError, statementError } from '#src/connection/pg-error.js';
import type { PgSession } from '#src/connection/pg-session.js';
import type { Wait } from '#src/connection/transport.js';
import { ConnectorError, isConnectorError } from '#src/errors.js';
import { explainSettings } from '#src/settings/settings.js';
import { chanceOf, type Chance } from '../settings/connection-string-generator.js';
import {
  authentication,
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  commandComplete,
  copyResponse,
  dataRow,
  errorResponse,
  message,
  NO_DATA,
  notice,
  notification,
  PARSE_COMPLETE,
  parameterStatus,
  READY,
  rowDescription,
} from '../support/server-messages.js';
import { nobody, tellProgress } from '../support/progress.js';

/** What a run saw. */
export interface FuzzReport {
  readonly messages: number;
  readonly conversations: number;
  /** Conversations whose statements were all answered in spite of the mutation, refused by a typed error, left waiting for more. */
  readonly answered: number;
  readonly refused: number;
  readonly unfinished: number;
  /** Most time of the processor that guard and driver took over what had come at once. */
  readonly slowestMs: number;
}

const MUTATIONS: readonly ((bytes: Buffer, chance: Chance) => Buffer)[] = [
  function flipBits(bytes, chance) {
    const flipped = Buffer.from(bytes);
    for (let left = 1 + chance(3); left > 0; left -= 1) flipped[chance(bytes.length)]! ^= 1 << chance(8);
    return flipped;
  },
  function setByte(bytes, chance) {
    const set = Buffer.from(bytes);
    set[chance(bytes.length)] = [0, 0x7f, 0x80, 0xff][chance(4)]!;
    return set;
  },
  (bytes, chance) => bytes.subarray(0, chance(bytes.length)),
  (bytes, chance) =>
    Buffer.concat([bytes, bytes.subarray(0, chance(2) === 0 ? bytes.length : chance(bytes.length))]),
  function insert(bytes, chance) {
    const at = chance(bytes.length + 1);
    const inserted = Buffer.alloc(1 + chance(6), chance(256));
    return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
  },
  function changeLength(bytes, chance) {
    const changed = Buffer.from(bytes);
    const length = [0, 3, 4, 5, bytes.length - 2, bytes.length, 65_536, 0x7fff_ffff, 0xffff_ffff][chance(9)]!;
    changed.writeUInt32BE(length, 1);
    return changed;
  },
  // Another body behind this header, its length put right.
  function splice(bytes, chance) {
    const other = CORPUS[chance(CORPUS.length)]!;
    const body = Buffer.concat([
      bytes.subarray(5, 5 + chance(bytes.length)),
      other.subarray(5 + chance(other.length)),
    ]);
    return message(bytes.toString('latin1', 0, 1), body);
  },
  (bytes, chance) => Buffer.concat([CORPUS[chance(CORPUS.length)]!, bytes]),
  (bytes, chance) => Buffer.concat([bytes, CORPUS[chance(CORPUS.length)]!]),
  (_, chance) => CORPUS[chance(CORPUS.length)]!,
  () => Buffer.alloc(0),
  (_, chance) => Buffer.from(Array.from({ length: 1 + chance(40) }, () => chance(256))),
];

const COLUMNS = rowDescription('a', 'b');
const ROWS = [dataRow('1', 'x'), dataRow(null, ''), dataRow('2', 'y'.repeat(300))];
const CORPUS: readonly Buffer[] = [
  ...[0, 3, 5, 7, 10, 11, 12].map((code) => authentication(code, 'SCRAM-SHA-256\0\0')),
  ...[PARSE_COMPLETE, BIND_COMPLETE, CLOSE_COMPLETE, NO_DATA, READY, COLUMNS, ...ROWS],
  ...[commandComplete('SELECT 3'), commandComplete('INSERT 0 1'), message('I'), message('s'), message('c')],
  ...[errorResponse('42601', 'x', 'ERROR'), errorResponse('57P01', 'x'), notice('x'), notification('a', 'b')],
  ...[parameterStatus('TimeZone', 'UTC'), copyResponse('G'), copyResponse('H'), message('d', 'x')],
  ...[message('t', '\0\x01\0\0\0\x17'), message('K', '\0'.repeat(8))],
];

/** Where the server stands when the mutations begin. */
const BEGINNINGS = ['at once', 'behind the login'] as const;

/** The server's side of one conversation, and the socket between. */
class MutantServer extends EventEmitter {
  readonly writable = true;
  readonly #chance: Chance;
  #isMutating: boolean;
  /** One message in so many is mutated. */
  readonly #rarity: number;
  #unread: Buffer = Buffer.alloc(0);
  #toSend: Buffer[] = [];
  #rowsLeft = ROWS.length;
  isGone = false;
  mutated = 0;
  slowestMs = 0;

  constructor(chance: Chance) {
    super();
    this.#chance = chance;
    this.#rarity = [2, 6, 20][chance(3)]!;
    this.#isMutating = BEGINNINGS[chance(BEGINNINGS.length)] === 'at once';
  }

  write(bytes: Buffer): boolean {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      const isStartup = this.#unread[0] === 0;
      const size = isStartup
        ? this.#unread.readInt32BE(0)
        : 1 + (this.#unread.length < 5 ? Infinity : this.#unread.readInt32BE(1));
      if (this.#unread.length < Math.max(size, 1)) return true;
      this.#answer(isStartup ? '' : this.#unread.toString('latin1', 0, 1), this.#unread.subarray(0, size));
      this.#unread = this.#unread.subarray(size);
    }
  }

  /** Hands on what is to be sent, in pieces; false when nothing is. */
  send(): boolean {
    if (this.#toSend.length === 0 || this.isGone) return false;
    const wire = Buffer.concat(this.#toSend);
    this.#toSend = [];
    const size = this.#chance(3) === 0 ? 1 + this.#chance(7) : wire.length;
    const startedAt = process.cpuUsage();
    for (let at = 0; at < wire.length; at += size) this.#emit(wire.subarray(at, at + size));
    const { user, system } = process.cpuUsage(startedAt);
    this.slowestMs = Math.max(this.slowestMs, (user + system) / 1_000);
    return true;
  }

  #emit(piece: Buffer): void {
    if (!this.isGone) this.emit('data', piece);
  }

  destroy(error?: Error): this {
    if (this.isGone) return this;
    this.isGone = true;
    process.nextTick(() => {
      if (error) this.emit('error', error);
      this.emit('close');
    });
    return this;
  }

  end(): this {
    return this.destroy();
  }

  cork(): void {}
  uncork(): void {}
  ref(): void {}
  unref(): void {}

  #answer(type: string, request: Buffer): void {
    for (const answer of this.#answersTo(type, request)) {
      const isMutant = this.#isMutating && this.#chance(this.#rarity) === 0;
      this.mutated += isMutant ? 1 : 0;
      this.#toSend.push(isMutant ? MUTATIONS[this.#chance(MUTATIONS.length)]!(answer, this.#chance) : answer);
    }
    if (type === 'p') this.#isMutating = true;
  }

  #answersTo(type: string, request: Buffer): readonly Buffer[] {
    switch (type) {
      case '':
        return [authentication(5, 'salt')];
      case 'p':
        return [authentication(0), parameterStatus('a', 'b'), message('K', '\0'.repeat(8)), READY];
      case 'P':
        return [PARSE_COMPLETE];
      case 'B':
        this.#rowsLeft = ROWS.length;
        return [BIND_COMPLETE];
      case 'D':
        return [COLUMNS];
      case 'E':
        return this.#rows(request.readInt32BE(request.length - 4));
      case 'C':
        return [CLOSE_COMPLETE];
      case 'S':
        return [READY];
      default:
        return [];
    }
  }

  #rows(most: number): readonly Buffer[] {
    const rows = ROWS.slice(-this.#rowsLeft).slice(0, most === 0 ? ROWS.length : most);
    this.#rowsLeft -= rows.length;
    return [...rows, this.#rowsLeft > 0 ? message('s') : commandComplete('SELECT 3')];
  }
}

const { settings: SETTINGS } = explainSettings({
  Server: 'fuzz.invalid',
  Database: 'd',
  User: 'u',
  // A token is for a stream that is verified, which this one is not.
  AuthScheme: 'Password',
  Password: 'x',
  RequireAuth: 'MD5',
  SSLMode: 'disable',
  Timeout: '0',
});
const WAIT: Wait = { clock: systemClock, budget: startBudget(systemClock, 0) };

const PLACEMENT: Placement = { isCurrent: true, refusedWrite: () => undefined, lost: () => undefined };

/** One conversation of a login and three statements. */
async function converse(server: MutantServer): Promise<'answered' | 'refused' | 'unfinished'> {
  const settled = ask(server)
    .then(() => 'answered' as const)
    .catch((error: unknown) => {
      if (!isConnectorError(error)) throw error;
      return 'refused' as const;
    });
  // What both have to say passes through a few turns of the event loop.
  for (let idle = 0; idle < 4; idle += 1) {
    await turn();
    if (server.send()) idle = 0;
  }
  const early = await Promise.race([settled, turn().then(() => 'unfinished' as const)]);
  if (early !== 'unfinished') return early;
  server.destroy();
  const late = await Promise.race([settled, turns(20).then(() => undefined)]);
  if (late === undefined) throw new Error('a wait outlives its connection');
  return 'unfinished';
}

async function ask(server: MutantServer): Promise<void> {
  const session = await logIn(server as unknown as Socket, undefined, SETTINGS, WAIT, PLACEMENT);
  await session.all({ text: 'select $1', values: ['x'] }, { writes: false });
  for await (const batch of session.run({ text: 'select 2', values: [] }, { writes: false, batchSize: 2 }))
    if (batch.rows.length > 2) throw new Error('more rows than asked for');
  for (let round = 0; round < 3; round += 1) await readIn(session);
}

/** A read in a pipeline; from the second one on by name. As the lane does, it asks only a session that is whole. */
function readIn(session: PgSession): Promise<unknown> {
  if (!session.usable) throw new ConnectorError('CONNECTOR_CLOSED', {});
  const statement = { text: 'select 3', values: [] };
  return new Promise((done, reject) => {
    const failed = (error: unknown): void => {
      reject(isServerError(error) ? statementError(error) : (error as Error));
    };
    session.pipeline.send({ statement, limit: undefined, done, failed } as unknown as LaneRead);
  });
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await turn();
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** No answer may hold the event loop for longer, in milliseconds. */
const LIMIT_MS = 100;

/** Has conversations until `count` mutated messages were sent. Throws on the first that is not contained. */
export async function fuzz(count: number, seed: number, progress = nobody): Promise<FuzzReport> {
  const chance = chanceOf(seed);
  const report = { messages: 0, conversations: 0, answered: 0, refused: 0, unfinished: 0, slowestMs: 0 };
  while (report.messages < count) {
    const server = new MutantServer(chance);
    try {
      report[await converse(server)] += 1;
      if (server.slowestMs > LIMIT_MS) throw new Error(`it took ${server.slowestMs.toFixed(1)} ms`);
    } catch (error) {
      throw new Error(`conversation ${String(report.conversations)} of seed ${String(seed)}`, {
        cause: error,
      });
    }
    report.conversations += 1;
    report.messages += server.mutated;
    progress(report.messages);
    report.slowestMs = Math.max(report.slowestMs, server.slowestMs);
  }
  return report;
}

const megabytes = (): number => {
  globalThis.gc?.();
  return Math.round(process.memoryUsage.rss() / 1e6);
};

async function main([
  count = '1000000',
  seed = String(Date.now() % 1_000_000),
]: readonly string[]): Promise<void> {
  const start = performance.now();
  const progress = tellProgress(Number(count), 'messages');
  const warm = await fuzz(Number(count) / 10, Number(seed), progress);
  const before = megabytes();
  const report = await fuzz(Number(count) - warm.messages, Number(seed) + 1, (done) => {
    progress(warm.messages + done);
  });
  const seconds = Math.round((performance.now() - start) / 1_000);
  const messages = warm.messages + report.messages;
  console.log({ seed: Number(seed), ...report, messages, seconds, megabytes: [before, megabytes()] });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) void main(process.argv.slice(2));
