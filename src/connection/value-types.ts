import pg from 'pg';
import { ConnectorError, describe } from '../errors.js';
import type { Statement } from '../sql/statement.js';
import { isoTimestamp } from '../sql/type-codecs.js';

type Parser = (text: string) => unknown;

interface ArrayParser {
  create(text: string, element: Parser): { parse(): unknown };
}

const asText: Parser = (text) => text;
const asBoolean: Parser = (text) => text === 't';
const asBytes: Parser = (text) => Buffer.from(text.slice(2), 'hex');
const asJson: Parser = (text) => JSON.parse(text) as unknown;

/**
 * Types whose text is turned into something else, by object id (catalog pg_type): the type, its
 * array, and the form of a value. All others, bigint and numeric among them, stay text, so that
 * no digit is lost.
 */
const TYPES: readonly (readonly [type: number, array: number, parse: Parser])[] = [
  [16, 1000, asBoolean], // bool
  [17, 1001, asBytes], // bytea, in the hex form that the session asks for
  [20, 1016, asText], // int8
  [21, 1005, Number], // int2
  [23, 1007, Number], // int4
  [25, 1009, asText], // text
  [26, 1028, Number], // oid
  [114, 199, asJson], // json
  [700, 1021, Number], // float4
  [701, 1022, Number], // float8
  [1042, 1014, asText], // char(n)
  [1043, 1015, asText], // varchar
  [1082, 1182, asText], // date
  [1083, 1183, asText], // time
  [1114, 1115, isoTimestamp], // timestamp
  [1184, 1185, isoTimestamp], // timestamptz
  [1186, 1187, asText], // interval
  [1266, 1270, asText], // timetz
  [1700, 1231, asText], // numeric
  [2950, 2951, asText], // uuid
  [3802, 3807, asJson], // jsonb
];

const PARSERS = new Map<number, Parser>(
  TYPES.flatMap(([type, array, parse]) => [
    [type, parse],
    [array, arrayOf(parse)],
  ]),
);

function arrayOf(element: Parser): Parser {
  const { arrayParser } = pg.types as unknown as { arrayParser: ArrayParser };
  return (text) => arrayParser.create(text, element).parse();
}

/** Values without loss, by a table of our own: what others set on `pg.types` changes nothing here. */
export const LOSSLESS_TYPES = {
  getTypeParser: (oid: number): Parser => PARSERS.get(oid) ?? asText,
};

const { utils } = pg as unknown as { utils: { prepareValue: (value: unknown) => unknown } };
/** A parameter as the driver sends it: text, bytes or null. Throws what its `toPostgres` or JSON does. */
export const { prepareValue } = utils;

/**
 * `statement` with its values as they are sent: text or bytes. Afterwards nothing in them can fail.
 *
 * @throws ConnectorError OPERATION_INPUT_INVALID; nothing was sent
 */
export function encoded({ text, values }: Statement): Statement {
  try {
    return { text, values: values.map(prepareValue) };
  } catch (error) {
    const problems = `a parameter cannot be sent: ${describe(error)}`;
    throw new ConnectorError(
      'OPERATION_INPUT_INVALID',
      { operation: 'statement', problems },
      { cause: error },
    );
  }
}
