import { isoTimestamp } from '../sql/type-codecs.js';
import type { Field, Row } from './rows.js';
import { HEADER_BYTES } from './protocol/frames.js';
import { LOSSLESS_TYPES } from './value-types.js';

/** Makes a value of the text that stands in `bytes` from `start` to `end`. */
type ValueReader = (bytes: Buffer, start: number, end: number) => unknown;

/** Makes a row of a DataRow message: `bytes[start]` is its type, its body ends before `end`. */
export type RowReader = (bytes: Buffer, start: number, end: number) => Row;

const ZERO = 48;
const MINUS = 45;

const asText: ValueReader = (bytes, start, end) => bytes.toString('utf8', start, end);
const asDigits: ValueReader = (bytes, start, end) => bytes.toString('latin1', start, end);
const asNumber: ValueReader = (bytes, start, end) => Number(bytes.toString('latin1', start, end));

const asSmallInteger: ValueReader = (bytes, start, end) => {
  const isNegative = bytes[start] === MINUS;
  let value = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at += 1)
    value = value * 10 + (bytes[at] ?? ZERO) - ZERO;
  return isNegative ? -value : value;
};

/** The common form, `2026-11-21 18:33:01.123456+00`, without a regular expression. */
const asTimestamp: ValueReader = (bytes, start, end) => {
  const text = bytes.toString('latin1', start, end);
  const isCommon = text.charAt(4) === '-' && text.charAt(10) === ' ' && text.endsWith('+00');
  return isCommon ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z` : isoTimestamp(text);
};

/**
 * Readers of types whose text needs no detour, by object id (catalog pg_type). They give what the table
 * of {@link LOSSLESS_TYPES} gives, as a test compares; all other types are read by that.
 */
const DIRECT: ReadonlyMap<number, ValueReader> = new Map([
  [16, (bytes, start) => bytes[start] === 0x74], // bool
  [20, asDigits], // int8
  [21, asSmallInteger], // int2
  [23, asSmallInteger], // int4
  [25, asText], // text
  [26, asSmallInteger], // oid
  [700, asNumber], // float4
  [701, asNumber], // float8
  [1043, asText], // varchar
  [1082, asDigits], // date
  [1184, asTimestamp], // timestamptz
  [1700, asDigits], // numeric
  [2950, asDigits], // uuid
]);

function valueReaderOf(typeOid: number): ValueReader {
  const direct = DIRECT.get(typeOid);
  if (direct) return direct;
  const parse = LOSSLESS_TYPES.getTypeParser(typeOid);
  return (bytes, start, end) => parse(bytes.toString('utf8', start, end));
}

/**
 * A reader of the rows that `fields` describe, in text format. Nothing of a message stays in use after
 * its row has been made.
 *
 * @throws RangeError from the reader, for a message that is not what `fields` say
 */
export function rowReader(fields: readonly Field[]): RowReader {
  const names = fields.map(({ name }) => name);
  const readers = fields.map(({ typeOid }) => valueReaderOf(typeOid));
  const count = fields.length;
  return (bytes, start, end) => {
    let at = start + HEADER_BYTES;
    if (bytes.readUInt16BE(at) !== count) throw new RangeError('a row of another number of columns');
    at += 2;
    const row: Row = {};
    for (let column = 0; column < count; column += 1) {
      const length = bytes.readInt32BE(at);
      at += 4;
      const valueEnd = at + Math.max(0, length);
      if (valueEnd > end) throw new RangeError('a value beyond the end of its row');
      const value = length < 0 ? null : readers[column]?.(bytes, at, valueEnd);
      const name = names[column] as string;
      // Assigned, it would become the prototype of the row.
      if (name === '__proto__') Object.defineProperty(row, name, { value, enumerable: true });
      else row[name] = value;
      at = valueEnd;
    }
    if (at !== end) throw new RangeError('a row with more than its columns');
    return row;
  };
}
