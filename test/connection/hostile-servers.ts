import type { ErrorCode, ErrorType } from '#src/errors.js';
import type { Answers, Step } from '../support/fake-server.js';
import {
  ACCEPTED,
  authentication,
  commandComplete,
  copyResponse,
  dataRow,
  errorResponse,
  int16,
  int32,
  message,
  messageClaiming,
  NO_DATA,
  notice,
  notification,
  parameterStatus,
  READY,
  readyForQuery,
  rowDescription,
} from '../support/server-messages.js';

/** What a caller hears. */
export type Outcome = readonly [type: ErrorType, code: ErrorCode];

/** A server that does not keep to the protocol, from a certain point of the conversation on. */
export type Hostility = readonly [title: string, steps: readonly Step[], outcome: Outcome];

const VIOLATION: Outcome = ['POSTGRESQL:PROTOCOL_VIOLATION', 'PROTOCOL_VIOLATION'];
const NOT_OFFERED: Outcome = ['POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_LOGIN_NOT_OFFERED'];
const TOKEN_WANTED: Outcome = ['POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_EXPECTED'];
const LOST: Outcome = ['POSTGRESQL:CONNECTIVITY', 'CONNECTION_LOST'];
const NO_LOGIN: Outcome = ['POSTGRESQL:CANNOT_REACH', 'CONNECT_TIMEOUT'];
const NO_ANSWER: Outcome = ['POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT'];
const TOO_LARGE: Outcome = ['POSTGRESQL:QUERY_EXECUTION', 'RESULT_TOO_LARGE'];

const send = (...parts: readonly Buffer[]): Step => ({ send: Buffer.concat(parts) });
/** Answers a statement as a good server does, but for these messages. */
const serve = (answers: Partial<Answers>): readonly Step[] => [{ serve: answers }];

/** Not PostgreSQL at all. */
const GARBAGE: readonly (readonly [title: string, bytes: Buffer])[] = [
  ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  ['a TLS alert within TLS', Buffer.from('15030300020228', 'hex')],
  ['a megabyte of zeros', Buffer.alloc(1_048_576)],
  ['a megabyte of 0xFF', Buffer.alloc(1_048_576, 0xff)],
  ['a message without a type', messageClaiming(4, '\0')],
  ['a message of a client', message('Q', 'select 1\0')],
  ['a type that nobody uses', message('!')],
];

const LENGTHS: readonly number[] = [0, 1, 2, 3, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const impossibleLengths = (type: string): (readonly [string, Buffer])[] =>
  LENGTHS.map((length) => [`B-25 a length of ${String(length)}`, messageClaiming(length, type, 'xxxx')]);

/** Messages that are malformed wherever they come. */
const MALFORMED: readonly (readonly [title: string, bytes: Buffer])[] = [
  ['an error without its end', message('E', 'SFATAL\0C57P01\0Mx\0')],
  ['an error whose text has no end', message('E', 'SFATAL\0C57P01\0Mx')],
  ['an error of nothing', message('E', '\0')],
  ['an error of no bytes', message('E')],
  ['an error without SQLSTATE', message('E', 'SFATAL\0Mx\0\0')],
  ['an error with bytes behind its end', message('E', 'SFATAL\0C57P01\0Mx\0\0x')],
  ['a notice without its end', message('N', 'SNOTICE\0C00000\0Mx\0')],
  ['a parameter without its value', message('S', 'TimeZone\0')],
  ['a parameter without its end', message('S', 'TimeZone')],
  ['readiness of no bytes', message('Z')],
];

const token = [send(authentication(3)), { expect: 'p' }] as const;

export const DURING_LOGIN: readonly Hostility[] = [
  ...GARBAGE.map(([title, bytes]): Hostility => [`B-24 ${title}`, [send(bytes)], VIOLATION]),
  ...impossibleLengths('R').map(([title, bytes]): Hostility => [title, [send(bytes)], VIOLATION]),
  ...MALFORMED.map(([title, bytes]): Hostility => [`B-24 ${title}`, [send(bytes)], VIOLATION]),
  ...[7, 9, 2].map((code): Hostility => [
    `A-06 authentication by ${String(code)}`,
    [send(authentication(code))],
    NOT_OFFERED,
  ]),
  ...[1, 4, 6, 8, 99, -1].map((code): Hostility => [
    `A-06 authentication by ${String(code)}`,
    [send(authentication(code))],
    VIOLATION,
  ]),
  ['A-06 an authentication request without its code', [send(message('R'))], VIOLATION],
  ['A-03 MD5 with half a salt', [send(authentication(5, 'ab'))], VIOLATION],
  ['A-04 SASL without an end', [send(authentication(10, 'SCRAM-SHA-256'))], VIOLATION],
  ['A-04 SASL without a mechanism', [send(authentication(10, '\0'))], NOT_OFFERED],
  ['a cleartext request with more in it', [send(authentication(3, 'x'))], VIOLATION],
  ['A-08 the end of SASL before its beginning', [send(authentication(12, 'v=x'))], VIOLATION],
  ['parameters before the token', [send(parameterStatus('a', 'b'))], VIOLATION],
  ['a key before the token', [send(message('K', Buffer.alloc(8)))], VIOLATION],
  ['rows before the token', [send(rowDescription('a'), dataRow('1'))], VIOLATION],
  ['B-27 a COPY before the token', [send(copyResponse('G'))], VIOLATION],
  ['another version of the protocol', [send(message('v', Buffer.concat([int32(0), int32(0)])))], VIOLATION],
  ['B-25 a message of 64 KB and one', [send(message('N', `Mx${'x'.repeat(65_536)}\0\0`))], VIOLATION],
  [
    'B-25 600 MB in one message',
    [{ pour: () => many(messageClaiming(600_000_000, 'N'), Buffer.alloc(65_536), 9_000) }],
    VIOLATION,
  ],
  [
    'B-23 notices without end',
    [{ pour: () => many(Buffer.alloc(0), notice('x'.repeat(1_000)), Infinity) }],
    NO_LOGIN,
  ],
  ['a key of four bytes', [...token, send(authentication(0), message('K', int32(1)))], VIOLATION],
  ['rows behind the token', [...token, send(authentication(0), dataRow('1'))], VIOLATION],
  ['acceptance twice', [...token, send(authentication(0), authentication(0))], VIOLATION],
  ['readiness in no known state', [...token, send(authentication(0), readyForQuery('X'))], VIOLATION],
  ['silence behind the token', [...token], NO_LOGIN],
  ['silence behind the acceptance', [...token, send(authentication(0))], NO_LOGIN],
  ['N-13 silence within a message', [...token, send(authentication(0).subarray(0, 6))], NO_LOGIN],
  ['N-14 an end within a message', [...token, send(ACCEPTED.subarray(0, 7)), { close: 'end' }], LOST],
  ['N-14 a reset within a message', [...token, send(ACCEPTED.subarray(0, 7)), { close: 'reset' }], LOST],
  ['N-14 an end behind the acceptance', [...token, send(authentication(0)), { close: 'end' }], LOST],
];

function* many(first: Buffer, each: Buffer, count: number): Generator<Buffer> {
  yield first;
  for (let sent = 0; sent < count; sent += 1) yield each;
}

const scram: readonly Step[] = [send(authentication(10, 'SCRAM-SHA-256\0\0')), { expect: 'p' }];
const nonceOf = (latest: Buffer): string => /r=([^,]+)/.exec(latest.toString('latin1'))?.[1] ?? '';
const serverFirst = (text: (nonce: string) => string): Step => ({
  send: (latest) => authentication(11, text(nonceOf(latest))),
});
const SALT = 'c2FsdHNhbHRzYWx0c2FsdA==';
const fair = [...scram, serverFirst((nonce) => `r=${nonce}x,s=${SALT},i=4096`), { expect: 'p' }] as const;

export const SCRAM: readonly Hostility[] = [
  ['A-08 lets us in without a proof of its own', [...fair, send(ACCEPTED)], VIOLATION],
  ['A-08 proves itself falsely', [...fair, send(authentication(12, `v=${SALT}`), ACCEPTED)], VIOLATION],
  ['A-08 proves itself by nothing', [...fair, send(authentication(12), ACCEPTED)], VIOLATION],
  [
    'A-09 wants 2^31 iterations',
    [...scram, serverFirst((nonce) => `r=${nonce}x,s=${SALT},i=2147483648`)],
    VIOLATION,
  ],
  ['A-09 wants no iterations', [...scram, serverFirst((nonce) => `r=${nonce}x,s=${SALT},i=0`)], VIOLATION],
  [
    'A-09 wants some iterations',
    [...scram, serverFirst((nonce) => `r=${nonce}x,s=${SALT},i=some`)],
    VIOLATION,
  ],
  ['has another nonce', [...scram, serverFirst(() => `r=abcdef,s=${SALT},i=4096`)], VIOLATION],
  ['has the very same nonce', [...scram, serverFirst((nonce) => `r=${nonce},s=${SALT},i=4096`)], VIOLATION],
  ['has no salt', [...scram, serverFirst((nonce) => `r=${nonce}x,i=4096`)], VIOLATION],
  ['has nothing to say', [...scram, serverFirst(() => '')], VIOLATION],
  ['goes on in the middle', [send(authentication(11, 'r=x'))], VIOLATION],
  ['goes on twice', [...fair, send(authentication(11, 'r=x'))], VIOLATION],
  ['knows another mechanism alone', [send(authentication(10, 'OAUTHBEARER\0\0'))], TOKEN_WANTED],
  ['N-02 says nothing more', fair, NO_LOGIN],
];

const ROW = dataRow('1');
const END = commandComplete('SELECT 1');
/** A row that says of its only value how long it is. */
const rowOfLength = (length: number, value: string): Buffer =>
  message('D', Buffer.concat([int16(1), int32(length), Buffer.from(value)]));

const ANSWERS: readonly (readonly [title: string, answers: Partial<Answers>])[] = [
  ...GARBAGE.map(([title, bytes]) => [`B-24 ${title}`, { E: bytes }] as const),
  ...impossibleLengths('D').map(([title, bytes]) => [title, { E: bytes }] as const),
  ...MALFORMED.map(([title, bytes]) => [`B-24 ${title}`, { E: bytes }] as const),
  ['B-24 a row whose value goes beyond it', { E: rowOfLength(100, '1') }],
  ['B-24 a row whose value ends before it', { E: rowOfLength(1, '12') }],
  ['B-24 a row with a value of -2 bytes', { E: rowOfLength(-2, '1') }],
  ['B-24 a row with a value of 2 GB', { E: rowOfLength(0x7fff_ffff, '1') }],
  ['B-24 a row that announces 65,535 values', { E: message('D', int16(65_535)) }],
  ['B-24 a row of one byte', { E: message('D', '\0') }],
  [
    'B-24 columns of which one is missing',
    { D: message('T', Buffer.concat([int16(2), rowDescription('a').subarray(7)])) },
  ],
  [
    'B-24 columns of which one is too many',
    { D: message('T', Buffer.concat([int16(0), rowDescription('a').subarray(7)])) },
  ],
  [
    'B-24 a column whose name has no end',
    { D: message('T', Buffer.concat([int16(1), Buffer.alloc(30, 'x')])) },
  ],
  ['B-24 65,535 columns announced', { D: message('T', int16(65_535)) }],
  ['B-24 a command tag without its end', { E: message('C', 'SELECT 1') }],
  ['B-24 an acknowledgement with something in it', { P: message('1', 'x') }],
  [
    'B-24 a notification without its text',
    { E: message('A', Buffer.concat([int32(1), Buffer.from('a\0')])) },
  ],
  ['B-24 readiness in no known state', { S: readyForQuery('X') }],
  ['B-24 readiness of two bytes', { S: readyForQuery('II') }],
  ['B-24 readiness before the result', { P: READY }],
  ['B-24 10,000 times readiness', { S: Buffer.concat(Array<Buffer>(10_000).fill(READY)), E: READY }],
  ['B-24 a row of more values than columns', { E: Buffer.concat([dataRow('1', '2'), END]) }],
  ['B-24 a row of fewer values than columns', { E: Buffer.concat([dataRow(), END]) }],
  ['B-24 a row where there are no columns', { D: NO_DATA }],
  ['B-24 rows before their columns', { P: ROW }],
  ['B-24 columns twice', { D: Buffer.concat([rowDescription('one'), rowDescription('one')]) }],
  ['B-24 answers in the wrong order', { P: message('2'), B: message('1') }],
  ['B-24 the answer to a function call', { E: message('V', int32(-1)) }],
  ['B-24 the key of a session', { E: message('K', Buffer.alloc(8)) }],
  ...[0, 3, 5, 7, 10, 12].map(
    (code) =>
      [
        `A-08 authentication by ${String(code)} behind the login`,
        { E: authentication(code, code === 5 ? 'salt' : '\0'.repeat(code >= 10 ? 1 : 0)) },
      ] as const,
  ),
  ['B-27 a COPY from us', { E: copyResponse('G') }],
  ['B-27 a COPY to us', { E: copyResponse('H') }],
  ['B-27 a COPY both ways', { E: copyResponse('W') }],
  ['B-27 data of a COPY', { E: message('d', 'x') }],
  ['B-27 the end of a COPY', { E: message('c') }],
  ['B-28 a result before ours', { P: Buffer.concat([rowDescription('other'), dataRow('x'), END]) }],
  ['B-28 two results', { E: Buffer.concat([ROW, END, rowDescription('other'), dataRow('x'), END]) }],
  ['B-28 a row behind the result', { E: Buffer.concat([ROW, END, ROW]) }],
];

export const AFTER_LOGIN: readonly Hostility[] = [
  ...ANSWERS.map(([title, answers]): Hostility => [title, serve(answers), VIOLATION]),
  ['B-22 a row of 512 MB', serve({ E: messageClaiming(536_870_912, 'D') }), TOO_LARGE],
  ['B-22 a row of 1 GB - 1', serve({ E: messageClaiming(0x3fff_fffe, 'D') }), TOO_LARGE],
  ['N-02 silence', [{ stay: true }], NO_ANSWER],
  [
    'N-13 silence within a row',
    serve({ E: ROW.subarray(0, 9), S: Buffer.alloc(0), C: Buffer.alloc(0) }),
    NO_ANSWER,
  ],
  ['B-26 no readiness behind the result', serve({ S: Buffer.alloc(0) }), NO_ANSWER],
  ['B-26 no end of the result', serve({ E: ROW, S: Buffer.alloc(0) }), NO_ANSWER],
  [
    'B-23 notices without end',
    [{ expect: 'E' }, { pour: () => many(Buffer.alloc(0), notice('x'.repeat(1_000)), Infinity) }],
    NO_ANSWER,
  ],
  ['N-14 an end within a row', [{ expect: 'E' }, send(ROW.subarray(0, 9)), { close: 'end' }], LOST],
  ['N-14 a reset within a row', [{ expect: 'E' }, send(ROW.subarray(0, 9)), { close: 'reset' }], LOST],
];

const FLOOD = 100_000;
const floodOf = (each: Buffer): readonly Step[] => [
  { pour: () => many(Buffer.alloc(0), Buffer.concat(Array<Buffer>(100).fill(each)), FLOOD / 100) },
  { serve: {} },
];

/** Servers that the protocol allows to be what they are. */
export const HARMLESS: readonly (readonly [title: string, steps: readonly Step[]])[] = [
  ['B-23 100,000 notices', floodOf(notice('x'.repeat(100)))],
  ['B-23 100,000 notifications', floodOf(notification('channel', 'x'.repeat(100)))],
  ['B-23 100,000 parameters', floodOf(parameterStatus('application_name', 'x'.repeat(100)))],
];

/** A column of type json whose value is none: the driver throws while it reads. */
export const UNREADABLE: readonly Step[] = serve({
  D: message(
    'T',
    Buffer.concat([int16(1), Buffer.from('one\0'), int32(0), int16(0), int32(114), Buffer.alloc(8)]),
  ),
  E: Buffer.concat([dataRow('{secret'), END]),
});

/** An error behind which the server never is ready again. */
export const NEVER_READY: readonly Step[] = serve({
  E: errorResponse('42601', 'x', 'ERROR'),
  S: Buffer.alloc(0),
});
