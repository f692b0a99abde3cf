import { expect } from 'chai';
import fc from 'fast-check';
import { insertStatements, upsertStatements } from '#src/sql/dml.js';
import type { Statement } from '#src/sql/statement.js';
import { failure } from '../support/failure.js';
import { useConnector } from '../support/use-sandbox.js';
import { INJECTIONS } from './injections.js';

const invalid = (work: () => unknown) => failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
/** A row of own columns, whatever their names. */
const row = (json: string): Record<string, unknown> => JSON.parse(json) as Record<string, unknown>;

describe('insert and upsert as SQL', () => {
  const insert = (rows: readonly object[], more = {}): Statement[] =>
    insertStatements('insert', { table: 't', rows: rows as never, ...more });
  const upsert = (rows: readonly object[], more = {}): Statement[] =>
    upsertStatements('upsert', { table: 't', rows: rows as never, conflictColumns: ['id'], ...more });

  it('names the columns of all rows and gives defaults for those that a row leaves out', () => {
    expect(insert([{ a: 1 }, { b: 'x', a: undefined }, {}])).to.deep.equal([
      {
        text: 'insert into "t" as target ("a", "b") values ($1, default), (default, $2), (default, default)',
        values: [1, 'x'],
      },
    ]);
  });

  it('sends null where a row says null', () => {
    expect(insert([{ a: null }])[0]).to.deep.equal({
      text: 'insert into "t" as target ("a") values ($1)',
      values: [null],
    });
  });

  it('gives columns back of the table’s row', () => {
    expect(insert([{ a: 1 }], { schema: 's', returning: ['id', 'a"b'] })[0]?.text).to.equal(
      'insert into "s"."t" as target ("a") values ($1) returning target."id", target."a""b"',
    );
  });

  it('updates the columns that are not the key', () => {
    expect(upsert([{ id: 1, a: 2 }])).to.deep.equal([
      {
        text: 'insert into "t" as target ("id", "a") values ($1, $2) on conflict ("id") do update set "a" = excluded."a"',
        values: [1, 2],
      },
    ]);
  });

  it('does nothing to an existing row that is all key', () => {
    expect(upsert([{ id: 1 }])[0]?.text).to.match(/on conflict \("id"\) do nothing$/);
  });

  it('compares before it updates where unchanged rows are to be left alone', () => {
    expect(upsert([{ id: 1, a: 2, b: 3 }], { skipUnchanged: true })[0]?.text).to.match(
      / where \(target\."a", target\."b"\) is distinct from \(excluded\."a", excluded\."b"\)$/,
    );
  });

  it('updates only what a row gives: rows with other columns get a statement of their own', () => {
    const statements = upsert([
      { id: 1, a: 1 },
      { id: 2, b: 2 },
      { a: 3, id: 3, b: undefined },
    ]);
    expect(statements.map(({ text, values }) => [text.replace(/.*set /, ''), values])).to.deep.equal([
      ['"a" = excluded."a"', [1, 1, 3, 3]],
      ['"b" = excluded."b"', [2, 2]],
    ]);
  });

  it('needs nothing for no rows', () => {
    expect([insert([]), upsert([])]).to.deep.equal([[], []]);
  });

  it('refuses rows without columns', async () => {
    expect((await invalid(() => insert([{}, { a: undefined }]))).message).to.contain(
      'the rows have no columns',
    );
  });

  it('refuses a row without its key', async () => {
    const work = (): unknown => upsert([{ id: 1, a: 1 }, { a: 2 }]);
    expect((await invalid(work)).message).to.contain('a row lacks the conflict column id');
    await invalid(() => upsert([{ a: 1 }]));
  });

  it('P-12 takes names of prototypes for columns, and nothing from a prototype', () => {
    const named = row('{"__proto__":1,"constructor":2,"toString":3}');
    expect(insert([named, Object.create({ inherited: 1 }) as object])[0]).to.deep.equal({
      text: 'insert into "t" as target ("__proto__", "constructor", "toString") values ($1, $2, $3), (default, default, default)',
      values: [1, 2, 3],
    });
  });

  it('Q-03 refuses names that the server would cut, wherever they stand', async () => {
    const long = 'x'.repeat(64);
    const works = [
      () => insert([{ [long]: 1 }]),
      () => insert([{ a: 1 }], { table: long }),
      () => insert([{ a: 1 }], { schema: '' }),
      () => insert([{ a: 1 }], { returning: ['a\0'] }),
      () => upsert([{ [long]: 1 }], { conflictColumns: [long] }),
    ];
    for (const work of works) await failure(work, 'POSTGRESQL:SETTINGS', 'IDENTIFIER_INVALID');
  });

  for (const [rows, columns, statements] of [
    [65_535, 1, 1],
    [65_536, 1, 2],
    [131_070, 1, 2],
    [100, 1_000, 2],
    [3, 40_000, 3],
  ] as const) {
    it(`U-06 writes ${rows} rows of ${columns} columns in ${statements} statements of at most 65,535 parameters`, () => {
      const shape = Object.fromEntries(Array.from({ length: columns }, (_, index) => [`c${index}`, index]));
      const made = insert(new Array<object>(rows).fill(shape));
      expect(made).to.have.length(statements);
      expect(made.reduce((sum, { values }) => sum + values.length, 0)).to.equal(rows * columns);
      expect(Math.max(...made.map(({ values }) => values.length))).to.be.at.most(65_535);
    });
  }
});

describe('insert and upsert on a server', function () {
  this.timeout(60_000);
  const use = useConnector();

  const sql = async (text: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> =>
    (await use.connector.execute('execute', { sql: text, parameters })).rows;
  let tables = 0;
  /** A new table with `columns`, and its name. */
  const table = async (columns: string): Promise<string> => {
    const name = `t${(tables += 1)}`;
    await sql(`create table ${name} (${columns})`);
    return name;
  };
  const count = async (name: string): Promise<unknown> =>
    (await sql(`select count(*)::int n from ${name}`))[0]?.['n'];

  it('inserts, fills defaults and gives generated values back', async () => {
    const name = await table("id int generated always as identity, a text default 'none', b int");
    const result = await use.connector.execute('insert', {
      table: name,
      rows: [{ a: 'x' }, { b: 2 }, { a: null, b: 3 }],
      returning: ['id', 'a', 'b'],
    });
    expect(result.affectedRows).to.equal(3);
    expect(result.fields.map((field) => field.name)).to.deep.equal(['id', 'a', 'b']);
    expect(result.rows).to.deep.equal([
      { id: 1, a: 'x', b: null },
      { id: 2, a: 'none', b: 2 },
      { id: 3, a: null, b: 3 },
    ]);
  });

  it('gives an empty result for no rows', async () => {
    expect(await use.connector.execute('insert', { table: 'none', rows: [] })).to.deep.equal({
      rows: [],
      fields: [],
      affectedRows: 0,
    });
  });

  it('U-06 inserts 100,000 rows in chunks, as one write', async () => {
    const name = await table('id int primary key, a int');
    const rows = Array.from({ length: 100_000 }, (_, id) => ({ id, a: id % 7 }));
    const { affectedRows } = await use.connector.execute('insert', { table: name, rows });
    expect(affectedRows).to.equal(100_000);
    expect(
      await sql(`select count(*)::int n, sum(a)::int s, count(distinct xmin::text)::int x from ${name}`),
    ).to.deep.equal([{ n: 100_000, s: 299_995, x: 1 }]);
  });

  const manyRows = (last: object): object[] => [
    ...Array.from({ length: 40_000 }, (_, id) => ({ id, a: 1 })),
    last,
  ];

  it('U-07 a duplicate key in the second chunk takes back the first', async () => {
    const name = await table('id int primary key, a int');
    const work = use.connector.execute('insert', { table: name, rows: manyRows({ id: 0, a: 2 }) });
    const error = await failure(work, 'POSTGRESQL:CONSTRAINT_VIOLATION', 'CONSTRAINT_VIOLATION');
    expect(error).to.include({ sqlState: '23505', table: name, constraint: `${name}_pkey` });
    expect(await count(name)).to.equal(0);
  });

  it('U-07 the same when the insert is streamed', async () => {
    const name = await table('id int primary key, a int');
    const input = { table: name, rows: manyRows({ id: 0, a: 2 }), returning: ['id'] };
    await failure(
      drain(use.connector.stream('insert', input)),
      'POSTGRESQL:CONSTRAINT_VIOLATION',
      'CONSTRAINT_VIOLATION',
    );
    expect(await count(name)).to.equal(0);
  });

  it('streams what a chunked insert gives back, and leaving early keeps what was written', async () => {
    const name = await table('id int primary key, a int');
    const input = { table: name, rows: manyRows({ id: -1 }), returning: ['id'] };
    let seen = 0;
    for await (const batch of use.connector.stream('insert', input, { batchSize: 100 })) {
      seen += batch.length;
      if (seen === 200) break;
    }
    expect(seen).to.equal(200);
    expect(await count(name)).to.equal(40_001);
  });

  it('X-12 the error of a row holds none of its values', async () => {
    const name = await table('id int primary key, a text check (length(a) < 40)');
    const canary = 'canary-9f3k';
    const rows = [
      { id: 1, a: canary },
      { id: 1, a: canary },
    ];
    const errors = [
      await failure(
        use.connector.execute('insert', { table: name, rows }),
        'POSTGRESQL:CONSTRAINT_VIOLATION',
        'CONSTRAINT_VIOLATION',
      ),
      await failure(
        use.connector.execute('insert', { table: name, rows: [{ id: 1, a: canary.repeat(9) }] }),
        'POSTGRESQL:CONSTRAINT_VIOLATION',
        'CONSTRAINT_VIOLATION',
      ),
    ];
    expect(JSON.stringify(errors)).not.to.contain(canary);
  });

  const upsert = (name: string, rows: readonly object[], more = {}) =>
    use.connector.execute('upsert', { table: name, rows, conflictColumns: ['id'], ...more });

  it('upserts: new rows come in, existing ones change', async () => {
    const name = await table('id int primary key, a text');
    await upsert(name, [{ id: 1, a: 'old' }]);
    const { affectedRows, rows } = await upsert(
      name,
      [
        { id: 1, a: 'new' },
        { id: 2, a: 'two' },
      ],
      { returning: ['id', 'a'] },
    );
    expect(affectedRows).to.equal(2);
    expect(rows).to.deep.equal([
      { id: 1, a: 'new' },
      { id: 2, a: 'two' },
    ]);
  });

  it('leaves alone the columns that a row does not give, whatever other rows give', async () => {
    const name = await table("id int primary key, a text default 'none', b text default 'none'");
    await upsert(name, [
      { id: 1, a: 'a1', b: 'b1' },
      { id: 2, a: 'a2', b: 'b2' },
    ]);
    const { affectedRows } = await upsert(name, [
      { id: 1, a: 'A' },
      { id: 2, b: 'B' },
      { id: 3, b: 'B' },
    ]);
    expect(affectedRows).to.equal(3);
    expect(await sql(`select * from ${name} order by id`)).to.deep.equal([
      { id: 1, a: 'A', b: 'b1' },
      { id: 2, a: 'a2', b: 'B' },
      { id: 3, a: 'none', b: 'B' },
    ]);
  });

  it('counts and touches only rows that change with skipUnchanged, nulls included', async () => {
    const name = await table('id int primary key, a text, b int');
    const rows = [
      { id: 1, a: 'x', b: null },
      { id: 2, a: null, b: 2 },
    ];
    await upsert(name, rows);
    const before = await sql(`select xmin::text x from ${name} order by id`);
    expect(await upsert(name, rows, { skipUnchanged: true, returning: ['id'] })).to.include({
      affectedRows: 0,
    });
    expect(await sql(`select xmin::text x from ${name} order by id`)).to.deep.equal(before);
    const changed = [
      { id: 1, a: 'x', b: 1 },
      { id: 2, a: null, b: 2 },
    ];
    expect((await upsert(name, changed, { skipUnchanged: true, returning: ['id'] })).rows).to.deep.equal([
      { id: 1 },
    ]);
    expect((await upsert(name, rows)).affectedRows).to.equal(2);
  });

  it('upserts by two columns, and rows that are all key', async () => {
    const name = await table('x int, y int, a int, primary key (x, y)');
    const input = { table: name, conflictColumns: ['y', 'x'] };
    const first = await use.connector.execute('upsert', {
      ...input,
      rows: [
        { x: 1, y: 1 },
        { x: 1, y: 2 },
      ],
    });
    const second = await use.connector.execute('upsert', {
      ...input,
      rows: [
        { x: 1, y: 1 },
        { x: 2, y: 1 },
      ],
    });
    expect([first.affectedRows, second.affectedRows, await count(name)]).to.deep.equal([2, 1, 3]);
  });

  it('U-08 the same key twice in one batch is a typed error, and nothing is written', async () => {
    const name = await table('id int primary key, a int');
    const work = upsert(name, [
      { id: 1, a: 1 },
      { id: 2, a: 2 },
      { id: 1, a: 3 },
    ]);
    const error = await failure(work, 'POSTGRESQL:DATA_ERROR', 'DATA_ERROR');
    expect(error.sqlState).to.equal('21000');
    expect(await count(name)).to.equal(0);
  });

  it('U-09 a key without a unique index is a typed error', async () => {
    const name = await table('id int, a int');
    const error = await failure(upsert(name, [{ id: 1, a: 1 }]), 'POSTGRESQL:BAD_SQL_SYNTAX', 'SYNTAX_ERROR');
    expect(error.sqlState).to.equal('42P10');
  });

  it('an upsert twice is an upsert once', async () => {
    const name = await table('id int primary key, a text, b int');
    const value = fc.option(fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')));
    const rows = fc.uniqueArray(
      fc.record(
        { id: fc.integer({ min: 0, max: 20 }), a: value, b: fc.integer({ min: 0, max: 9 }) },
        { requiredKeys: ['id'] },
      ),
      { selector: ({ id }) => id, minLength: 1, maxLength: 8 },
    );
    const all = (): Promise<unknown> => sql(`select * from ${name} order by id`);
    await fc.assert(
      fc.asyncProperty(rows, fc.boolean(), async (batch, skipUnchanged) => {
        await upsert(name, batch, { skipUnchanged });
        const once = await all();
        const { affectedRows } = await upsert(name, batch, { skipUnchanged: true });
        expect(affectedRows).to.equal(0);
        expect(await all()).to.deep.equal(once);
        for (const given of batch)
          expect((once as { id: number }[]).find(({ id }) => id === given.id)).to.include(given);
      }),
      { numRuns: 40 },
    );
  });

  it('P-12 writes columns named as the members of a prototype', async () => {
    const name = await table('"__proto__" int, "constructor" int, "toString" int');
    await use.connector.execute('insert', {
      table: name,
      rows: [row('{"__proto__":1,"constructor":2,"toString":3}'), {}],
    });
    const stored = await sql(
      `select "__proto__" as p, "constructor" as c, "toString" as t from ${name} order by 1`,
    );
    expect(stored).to.deep.equal([
      { p: 1, c: 2, t: 3 },
      { p: null, c: null, t: null },
    ]);
  });

  for (const operation of ['insert', 'upsert', 'execute', 'select'] as const) {
    it(`Q-05 stores and reads ${INJECTIONS.length} injection strings through ${operation}, equal to the byte`, async () => {
      const name = await table('id int primary key, v text');
      const rows = INJECTIONS.map((v, id) => ({ id, v }));
      if (operation === 'insert') await use.connector.execute('insert', { table: name, rows });
      else if (operation === 'upsert') await upsert(name, rows);
      else {
        const values = rows.map((_, i) => `($${i * 2 + 1}::int, $${i * 2 + 2}::text)`).join();
        const insert = `with w as (insert into ${name} values ${values} returning id, v) select * from w`;
        await use.connector.execute(operation, {
          sql: insert,
          parameters: rows.flatMap(({ id, v }) => [id, v]),
        });
      }
      const read = await use.connector.execute('select', {
        sql: `select id, v from ${name} where v = any($1) order by id`,
        parameters: [INJECTIONS],
      });
      expect(read.rows).to.deep.equal(rows);
    });
  }
});

async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const batch of batches) expect(batch).not.to.equal(undefined);
}
