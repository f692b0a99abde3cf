import pg from 'pg';
import { isoTimestamp, TYPE_OIDS } from '../sql/type-codecs.js';

const text = (value: string): string => value;
const PARSERS = new Map<number, (value: string) => unknown>([
  [TYPE_OIDS.date, text],
  [TYPE_OIDS.interval, text],
  [TYPE_OIDS.timestamp, isoTimestamp],
  [TYPE_OIDS.timestamptz, isoTimestamp],
  [TYPE_OIDS.dateArray, arrayOf(text)],
  [TYPE_OIDS.intervalArray, arrayOf(text)],
  [TYPE_OIDS.numericArray, arrayOf(text)],
  [TYPE_OIDS.timestampArray, arrayOf(isoTimestamp)],
  [TYPE_OIDS.timestamptzArray, arrayOf(isoTimestamp)],
]);

interface ArrayParser {
  create(value: string, element: (value: string) => unknown): { parse(): unknown };
}

function arrayOf(element: (value: string) => unknown): (value: string) => unknown {
  const { arrayParser } = pg.types as unknown as { arrayParser: ArrayParser };
  return (value) => arrayParser.create(value, element).parse();
}

/** Values without loss: `pg`'s own parsers where they lose nothing, ours for dates and times. */
export const LOSSLESS_TYPES = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    const own = format === 'binary' ? undefined : PARSERS.get(oid);
    return own ?? (pg.types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format);
  },
};
