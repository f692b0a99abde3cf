/** Messages of a PostgreSQL server (documentation, section 54.7), well-formed ones and others. */

/** A message: type, length, body. */
export function message(type: string, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body as string);
  return messageClaiming(4 + bytes.length, type, bytes);
}

/** A message that says it has `length` bytes, whatever follows. */
export function messageClaiming(length: number, type: string, body: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.from(body as string)]);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** AuthenticationRequest `code` with what belongs to it. */
export function authentication(code: number, rest: Buffer | string = ''): Buffer {
  return message('R', Buffer.concat([int32(code), Buffer.from(rest as string)]));
}

/** Fields of an ErrorResponse or a NoticeResponse (section 54.8). */
const report = (severity: string, sqlState: string, text: string): string =>
  `S${severity}\0V${severity}\0C${sqlState}\0M${text}\0\0`;

export function errorResponse(sqlState: string, text: string, severity = 'FATAL'): Buffer {
  return message('E', report(severity, sqlState, text));
}

export function notice(text: string): Buffer {
  return message('N', report('NOTICE', '00000', text));
}

export function notification(channel: string, payload: string): Buffer {
  return message('A', Buffer.concat([int32(7), Buffer.from(`${channel}\0${payload}\0`)]));
}

export function parameterStatus(name: string, value: string): Buffer {
  return message('S', `${name}\0${value}\0`);
}

/** RowDescription of text columns. */
export function rowDescription(...names: readonly string[]): Buffer {
  const TEXT = Buffer.concat([int32(0), int16(0), int32(25), int16(0xffff), int32(-1), int16(0)]);
  const columns = names.flatMap((name) => [Buffer.from(`${name}\0`), TEXT]);
  return message('T', Buffer.concat([int16(names.length), ...columns]));
}

/** DataRow of text values; null is NULL. */
export function dataRow(...values: readonly (string | null)[]): Buffer {
  const fields = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  return message('D', Buffer.concat([int16(values.length), ...fields]));
}

export function commandComplete(tag: string): Buffer {
  return message('C', `${tag}\0`);
}

export function readyForQuery(status: string): Buffer {
  return message('Z', status);
}

/** CopyInResponse (G), CopyOutResponse (H) or CopyBothResponse (W) of one text column. */
export function copyResponse(type: 'G' | 'H' | 'W'): Buffer {
  return message(type, Buffer.concat([Buffer.from([0]), int16(1), int16(0)]));
}

export const READY = readyForQuery('I');
export const PARSE_COMPLETE = message('1');
export const BIND_COMPLETE = message('2');
export const CLOSE_COMPLETE = message('3');
export const NO_DATA = message('n');

/** What follows a proof that was accepted, up to the first ReadyForQuery. */
export const ACCEPTED = Buffer.concat([
  authentication(0),
  parameterStatus('server_version', '18.0'),
  parameterStatus('client_encoding', 'UTF8'),
  message('K', Buffer.concat([int32(4_711), int32(815)])),
  READY,
]);
