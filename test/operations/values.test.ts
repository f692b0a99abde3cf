import { expect } from 'chai';
import { inspect } from 'node:util';
import { printable } from '#src/errors.js';
import { createConnector } from '#src/index.js';
import { useConnector } from '../support/use-sandbox.js';

/** A literal of SQL and what a flow gets for it. */
const READ: readonly (readonly [row: string, sql: string, value: unknown])[] = [
  ['V-02', "'9223372036854775807'::int8", '9223372036854775807'],
  ['V-02', "'-9223372036854775808'::int8", '-9223372036854775808'],
  ['V-02', "'{9223372036854775807,NULL}'::int8[]", ['9223372036854775807', null]],
  ['V-01', '1.12345678901234567890::numeric', '1.12345678901234567890'],
  ['V-01', "'NaN'::numeric", 'NaN'],
  ['V-01', "'-Infinity'::numeric", '-Infinity'],
  ['V-01', "'{1.12345678901234567890,NaN,NULL}'::numeric[]", ['1.12345678901234567890', 'NaN', null]],
  ['V-01', "repeat('9', 1000)::numeric", '9'.repeat(1_000)],
  ['V-04', "'-0'::float8", -0],
  ['V-04', '0.1::float8 + 0.2::float8', 0.1 + 0.2],
  ['V-04', "'{NaN,-Infinity}'::float8[]", [NaN, -Infinity]],
  ['V-05', "'2026-11-21 18:33:01.123456+02'::timestamptz", '2026-11-21T16:33:01.123456Z'],
  ['V-05', "'2026-11-21 18:33:01.123456'::timestamp", '2026-11-21T18:33:01.123456'],
  ['V-05', "'infinity'::timestamptz", 'infinity'],
  ['V-05', "'-infinity'::timestamp", '-infinity'],
  ['V-05', "'0044-03-15 12:00:00+00 BC'::timestamptz", '0044-03-15 12:00:00+00 BC'],
  ['V-05', "'294276-12-31 23:59:59.999999'::timestamp", '294276-12-31T23:59:59.999999'],
  ['V-05', "'23:59:60'::time", '24:00:00'],
  ['V-05', "'2026-03-29 02:30:00 Europe/Berlin'::timestamptz", '2026-03-29T01:30:00Z'],
  [
    'V-05',
    "'{2026-11-21 18:33:01.123456+00,infinity,NULL}'::timestamptz[]",
    ['2026-11-21T18:33:01.123456Z', 'infinity', null],
  ],
  ['V-05', "'{{2026-11-21 18:33:01.1,-infinity}}'::timestamp[]", [['2026-11-21T18:33:01.1', '-infinity']]],
  ['V-06', "'2026-11-21'::date", '2026-11-21'],
  ['V-06', "'{2026-11-21,infinity,NULL}'::date[]", ['2026-11-21', 'infinity', null]],
  ['V-08', "'1 year -2 mons 3 days -04:05:06.000001'::interval", 'P10M3DT-4H-5M-6.000001S'],
  ['V-08', "'{1 day}'::interval[]", ['P1D']],
  ['V-09', "'\\x00ff10'::bytea", Buffer.from([0, 255, 16])],
  ['V-09', "''::bytea", Buffer.alloc(0)],
  ['V-09', "array['\\x00ff'::bytea]", [Buffer.from([0, 255])]],
  ['V-10', 'null::json', null],
  ['V-11', `'{"a":[1,{"b":null}]}'::jsonb`, { a: [1, { b: null }] }],
  ['V-13', "'{}'::text[]", []],
  ['V-13', `'{NULL,"NULL","a,b","{}","\\\\","\\""}'::text[]`, [null, 'NULL', 'a,b', '{}', '\\', '"']],
  ['V-13', "'[5:6]={a,b}'::text[]", ['a', 'b']],
  ['V-15', "'11111111-2222-3333-4444-555555555555'::uuid", '11111111-2222-3333-4444-555555555555'],
  ['V-15', "'10.0.0.1/8'::inet", '10.0.0.1/8'],
  ['V-15', "'[1,5)'::int4range", '[1,5)'],
  ['V-15', '\'(1,"a,b")\'::text', '(1,"a,b")'],
  ['V-15', "B'101'", '101'],
  ['V-15', "'0/16B3748'::pg_lsn", '0/16B3748'],
  ['V-16', "'a'::char(3)", 'a  '],
  ['V-16', "''::text", ''],
  ['', 'true', true],
  ['', "'{t,f,NULL}'::bool[]", [true, false, null]],
  ['', '32767::int2', 32_767],
];

/** A value that a flow sends, the type of its column, and what it reads back. */
const SENT: readonly (readonly [row: string, type: string, value: unknown, back: unknown])[] = [
  ['V-02', 'int8', '9223372036854775807', '9223372036854775807'],
  ['V-04', 'int8', 9_223_372_036_854_775_807n, '9223372036854775807'],
  ['V-04', 'float8', -0, -0],
  ['V-04', 'float8[]', [-0, NaN, Infinity], [-0, NaN, Infinity]],
  ['V-03', 'numeric', 1e21, '1000000000000000000000'],
  ['V-03', 'numeric', 0.1 + 0.2, '0.30000000000000004'],
  ['V-05', 'timestamptz', new Date('2026-11-21T18:33:01.123Z'), '2026-11-21T18:33:01.123Z'],
  ['V-05', 'timestamptz', '2026-11-21T18:33:01.123456Z', '2026-11-21T18:33:01.123456Z'],
  ['V-05', 'timestamptz', 'infinity', 'infinity'],
  ['V-06', 'date', '2026-11-21', '2026-11-21'],
  [
    'V-09',
    'bytea',
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  ],
  ['V-09', 'bytea', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), Buffer.from([2, 3])],
  ['V-10', 'jsonb', { a: null }, { a: null }],
  ['V-10', 'jsonb', null, null],
  ['V-12', 'jsonb', { list: [], deep: [{ a: [1] }] }, { list: [], deep: [{ a: [1] }] }],
  ['V-12', 'jsonb[]', [{ a: 1 }, null], [{ a: 1 }, null]],
  [
    'V-13',
    'text[]',
    ['NULL', null, '', '"', '\\', ',', '{}', "'"],
    ['NULL', null, '', '"', '\\', ',', '{}', "'"],
  ],
  [
    'V-13',
    'int[]',
    [
      [1, 2],
      [3, 4],
    ],
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['V-13', 'int[]', [], []],
  ['V-15', 'uuid', '11111111-2222-3333-4444-555555555555', '11111111-2222-3333-4444-555555555555'],
  ['V-17', 'text', 'e\u0301 \u00e9 😀 \u{10ffff}', 'e\u0301 \u00e9 😀 \u{10ffff}'],
  ['', 'bool', false, false],
  ['', 'text', undefined, null],
];

describe('values', function () {
  this.timeout(60_000);
  const use = useConnector();

  const read = async (sql: string, parameters: unknown[] = [], through = use.connector): Promise<unknown> =>
    (await through.execute('select', { sql: `select ${sql} as v`, parameters })).rows[0]?.['v'];

  for (const [row, sql, value] of READ) {
    it(`${row} reads ${sql}`.trimStart(), async () => {
      expect(await read(sql)).to.deep.equal(value);
      for await (const rows of use.connector.stream('select', { sql: `select ${sql} as v` }))
        expect(rows).to.deep.equal([{ v: value }]);
    });
  }

  for (const [row, type, value, back] of SENT) {
    it(
      `${row} sends ${printable(inspect(value, { breakLength: Infinity }))} as ${type}`.trimStart(),
      async () => {
        expect(await read(`$1::${type}`, [value])).to.deep.equal(back);
      },
    );
  }

  it('V-05 what is read of a date or time can be written again, to the microsecond', async () => {
    for (const [type, text] of [
      ['timestamptz', '2026-11-21 18:33:01.000001+00'],
      ['timestamptz', '0044-03-15 12:00:00+00 BC'],
      ['timestamp', '294276-12-31 23:59:59.999999'],
      ['interval', '-1 mons +1 day -00:00:00.000001'],
      ['date', '4713-01-01 BC'],
    ] as const) {
      const value = await read(`$1::${type}`, [text]);
      expect(await read(`$1::${type} = '${text}'::${type}`, [value]), text).to.equal(true);
    }
  });

  it('V-06 a date is the same in every zone of the process', async () => {
    const zone = process.env['TZ'];
    try {
      for (process.env['TZ'] of ['Pacific/Kiritimati', 'America/Anchorage'])
        expect(await read('$1::date', ['2026-11-21'])).to.equal('2026-11-21');
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  it('Q-22 reads the same whatever role and database say about formats', async () => {
    const settings = [
      "datestyle = 'SQL, DMY'",
      "timezone = 'Asia/Kolkata'",
      "intervalstyle = 'sql_standard'",
      "bytea_output = 'escape'",
      'extra_float_digits = -15',
      'standard_conforming_strings = off',
    ];
    const hostile = createConnector(use.sandbox.connections.secret);
    try {
      for (const setting of settings) {
        await use.sandbox.query(`alter role ${use.sandbox.role} set ${setting}`);
        await use.sandbox.query(`alter database ${use.sandbox.database} set ${setting}`);
      }
      for (const [, sql, value] of READ) expect(await read(sql, [], hostile), sql).to.deep.equal(value);
      expect(await read("'a\\b'::text", [], hostile)).to.equal('a\\b');
    } finally {
      await hostile.close();
      await use.sandbox.query(`alter role ${use.sandbox.role} reset all`);
      await use.sandbox.query(`alter database ${use.sandbox.database} reset all`);
    }
  });
});
