/** Types of the server's messages that are read here (PostgreSQL documentation, section 54.7). */
export const TYPE = {
  authentication: code('R'),
  backendKey: code('K'),
  bindComplete: code('2'),
  closeComplete: code('3'),
  commandComplete: code('C'),
  copyData: code('d'),
  copyDone: code('c'),
  copyIn: code('G'),
  copyOut: code('H'),
  dataRow: code('D'),
  emptyQuery: code('I'),
  error: code('E'),
  noData: code('n'),
  notice: code('N'),
  notification: code('A'),
  parameterDescription: code('t'),
  parameterStatus: code('S'),
  parseComplete: code('1'),
  portalSuspended: code('s'),
  readyForQuery: code('Z'),
  rowDescription: code('T'),
} as const;

function code(letter: string): number {
  return letter.charCodeAt(0);
}

/** Whether `bytes` from `start` to `end` are a body. */
type Shape = (bytes: Buffer, start: number, end: number) => boolean;

/**
 * Whether the bytes from `start` to `end` are a well-formed body of a message of `type`; false for a
 * type that no server sends. The driver reads some malformed ones without end and throws on others.
 */
export function isWellFormed(type: number, bytes: Buffer, start: number, end: number): boolean {
  return SHAPES[type]?.(bytes, start, end) ?? false;
}

const isEmpty: Shape = (_, start, end) => start === end;
const isAnything: Shape = () => true;

/** `count` terminated strings behind `offset` other bytes. */
const strings =
  (count: number, offset = 0): Shape =>
  (bytes, start, end) => {
    let at = start + offset;
    for (let found = 0; found < count; found += 1) at = afterString(bytes, at, end);
    return at === end;
  };

const SHAPES: readonly (Shape | undefined)[] = byCode([
  [TYPE.authentication, isAuthentication],
  [TYPE.backendKey, (_, start, end) => end - start >= 8],
  [TYPE.bindComplete, isEmpty],
  [TYPE.closeComplete, isEmpty],
  [TYPE.commandComplete, strings(1)],
  [TYPE.copyData, isAnything],
  [TYPE.copyDone, isEmpty],
  [TYPE.copyIn, isCopyResponse],
  [TYPE.copyOut, isCopyResponse],
  [TYPE.dataRow, isRow],
  [TYPE.emptyQuery, isEmpty],
  [TYPE.error, isReport],
  [TYPE.noData, isEmpty],
  [TYPE.notice, isReport],
  [TYPE.notification, strings(2, 4)],
  [TYPE.parameterDescription, isParameterList],
  [TYPE.parameterStatus, strings(2)],
  [TYPE.parseComplete, isEmpty],
  [TYPE.portalSuspended, isEmpty],
  [TYPE.readyForQuery, isStatus],
  [TYPE.rowDescription, isColumnList],
]);

// An array by code: the lookup stands in the way of every row.
function byCode(rows: readonly (readonly [type: number, shape: Shape])[]): (Shape | undefined)[] {
  const shapes = new Array<Shape | undefined>(256).fill(undefined);
  for (const [type, shape] of rows) shapes[type] = shape;
  return shapes;
}

/** Longest body of most messages, in bytes, and the types that may be as long as they like: as libpq has it. */
const LONGEST_SHORT_BODY = 30_000;
const MAY_BE_LONG: ReadonlySet<number> = new Set([
  TYPE.copyData,
  TYPE.dataRow,
  TYPE.error,
  TYPE.notice,
  TYPE.notification,
  TYPE.parameterDescription,
  TYPE.rowDescription,
]);

/** Whether a server sends messages of `type` with a body of so many bytes. Tells before the body has arrived. */
export function isPossible(type: number, bodyBytes: number): boolean {
  if (SHAPES[type] === undefined) return false;
  return bodyBytes >= 0 && (bodyBytes <= LONGEST_SHORT_BODY || MAY_BE_LONG.has(type));
}

/** Number of fields that a RowDescription or a DataRow announces. */
export function fieldCount(bytes: Buffer, start: number): number {
  return bytes.readUInt16BE(start);
}

const NULL_LENGTH = -1;

// By hand: readInt32BE checks what its callers have checked, and takes several times as long, for every
// value of every row.
function int32At(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

function isRow(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return false;
  let at = start + 2;
  for (let left = fieldCount(bytes, start); left > 0; left -= 1) {
    if (end - at < 4) return false;
    const length = int32At(bytes, at);
    at += 4;
    if (length === NULL_LENGTH) continue;
    if (length < 0 || length > end - at) return false;
    at += length;
  }
  return at === end;
}

/** What follows the name of a column: table, number in it, type, its size, its modifier, format. */
const COLUMN_TAIL_BYTES = 18;

function isColumnList(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return false;
  let at = start + 2;
  for (let left = fieldCount(bytes, start); left > 0; left -= 1) {
    at = afterString(bytes, at, end) + COLUMN_TAIL_BYTES;
    if (!(at <= end)) return false;
  }
  return at === end;
}

function isParameterList(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && end - start === 2 + 4 * fieldCount(bytes, start);
}

function isCopyResponse(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 3 || bytes.readUInt8(start) > 1) return false;
  return end - start === 3 + 2 * fieldCount(bytes, start + 1);
}

function isStatus(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 1 && 'ITE'.includes(bytes.toString('latin1', start, end));
}

/** Bytes behind the code of an AuthenticationRequest; any number of them where it is not listed. */
const AUTHENTICATION_TAILS: Readonly<Record<number, number>> = { 0: 0, 3: 0, 5: 4 };

const SASL = 10;

function isAuthentication(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 4) return false;
  const request = bytes.readInt32BE(start);
  // Names of mechanisms, and an empty one behind the last.
  if (request === SASL) return isStringList(bytes, start + 4, end);
  const tail = AUTHENTICATION_TAILS[request];
  return tail === undefined || end - start - 4 === tail;
}

function isStringList(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && bytes[at] !== 0) at = afterString(bytes, at, end);
  return at === end - 1;
}

/** Fields without which nothing can be said of an error or a notice: severity, SQLSTATE, text. */
const NEEDED_FIELDS = 'SCM';

/** ErrorResponse and NoticeResponse: a letter and a terminated string per field, then a zero byte. */
function isReport(bytes: Buffer, start: number, end: number): boolean {
  let needed = NEEDED_FIELDS;
  let at = start;
  while (at < end && bytes[at] !== 0) {
    needed = needed.replace(bytes.toString('latin1', at, at + 1), '');
    at = afterString(bytes, at + 1, end);
  }
  return at === end - 1 && needed === '';
}

/** Where the terminated string at `at` has ended; NaN when it does not end before `end`. */
function afterString(bytes: Buffer, at: number, end: number): number {
  const terminator = at < end ? bytes.indexOf(0, at) : -1;
  return terminator < 0 || terminator >= end ? NaN : terminator + 1;
}
