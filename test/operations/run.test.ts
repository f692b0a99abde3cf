import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { useConnector } from '../support/use-sandbox.js';

type Rows = Record<string, unknown>[];

describe('operations on a server', function () {
  this.timeout(60_000);
  const use = useConnector({ PoolMaxSize: '1' });

  before(async () => {
    await execute('create table t (id int primary key, v text)');
    await execute(
      'create table deferred (id int, constraint once unique (id) deferrable initially deferred)',
    );
  });
  // One session serves all tests: whoever spoils it fails those behind.
  afterEach(() => {
    expect(use.connector.health()).to.deep.include({ sessionsOpened: 1 });
  });

  const execute = (sql: string, parameters: unknown[] = []) =>
    use.connector.execute('execute', { sql, parameters });
  const select = async (sql: string, parameters: unknown[] = []): Promise<Rows> =>
    (await use.connector.execute('select', { sql, parameters })).rows;

  async function batchesOf(sql: string, batchSize?: number): Promise<number[]> {
    const sizes: number[] = [];
    const options = batchSize === undefined ? {} : { batchSize };
    for await (const rows of use.connector.stream('select', { sql }, options)) sizes.push(rows.length);
    return sizes;
  }

  describe('the whole result', () => {
    it('of a query has rows, fields and their number', async () => {
      const result = await use.connector.execute('select', {
        sql: 'select $1::int as a, $2::text as b',
        parameters: [1, 'x'],
      });
      expect(result).to.deep.equal({
        rows: [{ a: 1, b: 'x' }],
        fields: [
          { name: 'a', typeOid: 23 },
          { name: 'b', typeOid: 25 },
        ],
        affectedRows: 1,
      });
    });

    it('of a query without rows still has its fields', async () => {
      expect(await use.connector.execute('select', { sql: 'select 1 as a where false' })).to.deep.equal({
        rows: [],
        fields: [{ name: 'a', typeOid: 23 }],
        affectedRows: 0,
      });
    });

    it('of a write counts the rows it changed', async () => {
      const insert = await execute("insert into t select g, 'x' from generate_series(1, 5) g");
      const update = await execute('update t set v = $1 where id > $2 returning id', ['y', 3]);
      const remove = await execute('delete from t');
      expect([insert.affectedRows, update.affectedRows, remove.affectedRows]).to.deep.equal([5, 2, 5]);
      expect(update.rows).to.deep.equal([{ id: 4 }, { id: 5 }]);
    });

    it('of a statement without a count is empty', async () => {
      expect(await execute('create table if not exists t (id int)')).to.deep.equal({
        rows: [],
        fields: [],
        affectedRows: 0,
      });
    });

    it('Q-06 binds values and never writes them into the text', async () => {
      expect(await select('select 1 -$1::int as a', [-1])).to.deep.equal([{ a: 2 }]);
      expect(await select('select $1::text as a', ["'; drop table t; --"])).to.deep.equal([
        { a: "'; drop table t; --" },
      ]);
    });

    it('Q-15 sends 65,535 parameters', async () => {
      const parameters = Array.from({ length: 65_535 }, (_, index) => index);
      const places = parameters.map((index) => `$${index + 1}`).join();
      expect(
        await select(
          `select count(*)::int n, sum(x::int)::int s from unnest(array[${places}]::text[]) x`,
          parameters,
        ),
      ).to.deep.equal([{ n: 65_535, s: 2_147_385_345 }]);
    });
  });

  describe('a refused statement', () => {
    const refused: readonly (readonly [
      what: string,
      sql: string,
      type: string,
      code: string,
      sqlState: string,
    ])[] = [
      ['Q-09 two statements in one text', 'select 1; select 2', 'BAD_SQL_SYNTAX', 'SYNTAX_ERROR', '42601'],
      [
        'Q-09 the same without a result',
        "insert into t values (1, 'x'); delete from t",
        'BAD_SQL_SYNTAX',
        'SYNTAX_ERROR',
        '42601',
      ],
      ['a syntax error', 'selct 1', 'BAD_SQL_SYNTAX', 'SYNTAX_ERROR', '42601'],
      ['an unknown table', 'select * from nowhere', 'BAD_SQL_SYNTAX', 'TABLE_UNKNOWN', '42P01'],
      ['a division by zero', 'select 1 / 0', 'DATA_ERROR', 'DATA_ERROR', '22012'],
      ['text that is no number', "select 'x'::int", 'DATA_ERROR', 'DATA_ERROR', '22P02'],
      [
        'a missing null',
        'insert into t (id) values (null)',
        'CONSTRAINT_VIOLATION',
        'CONSTRAINT_VIOLATION',
        '23502',
      ],
      ['what the role may not do', 'create role x', 'PERMISSION_DENIED', 'PERMISSION_DENIED', '42501'],
      [
        'a transaction asked to repeat',
        "do $$ begin raise exception using errcode = '40001', message = 'again'; end $$",
        'SERIALIZATION_FAILURE',
        'SERIALIZATION_FAILURE',
        '40001',
      ],
      [
        'a code of the user’s own',
        "do $$ begin raise exception using errcode = 'ZZ001', message = 'own'; end $$",
        'QUERY_EXECUTION',
        'QUERY_EXECUTION',
        'ZZ001',
      ],
    ];
    for (const [what, sql, type, code, sqlState] of refused) {
      it(`is typed: ${what}`, async () => {
        const works = [() => execute(sql), () => batchesOf(sql)];
        for (const work of works) {
          const error = await failure(work, `POSTGRESQL:${type}` as never, code as never);
          expect(error.sqlState).to.equal(sqlState);
        }
        expect(await select('select count(*)::int n from t')).to.deep.equal([{ n: 0 }]);
      });
    }

    it('names the place in its text, in characters', async () => {
      const error = await failure(
        execute("select 'ü😀' as a, b"),
        'POSTGRESQL:BAD_SQL_SYNTAX',
        'COLUMN_UNKNOWN',
      );
      expect(error.position).to.equal(19);
    });

    for (const name of ['execute', 'select', 'stream'] as const) {
      it(`Q-08 a missing or superfluous parameter is typed (${name})`, async () => {
        for (const parameters of [[], [1, 2]]) {
          const input = { sql: 'select $1::int as a', parameters };
          const work =
            name === 'stream'
              ? drain(use.connector.stream('select', input))
              : use.connector.execute(name, input);
          const error = await failure(work, 'POSTGRESQL:BAD_SQL_SYNTAX', 'PARAMETERS_MISMATCH');
          expect(error.sqlState).to.equal('08P01');
        }
      });
    }
  });

  describe('commit', () => {
    const twice = 'insert into deferred values (1), (1)';
    for (const [how, work] of [
      ['of one statement', () => execute(twice)],
      [
        'of a streamed statement',
        () => drain(use.connector.stream('execute', { sql: `${twice} returning id` })),
      ],
      [
        'of a stream whose last batch is full',
        () => drain(use.connector.stream('execute', { sql: `${twice} returning id` }, { batchSize: 2 })),
      ],
      [
        'of an insert',
        () => use.connector.execute('insert', { table: 'deferred', rows: [{ id: 1 }, { id: 1 }] }),
      ],
      [
        'of an insert in chunks',
        () =>
          use.connector.execute('insert', {
            table: 'deferred',
            rows: new Array<object>(65_536).fill({ id: 1 }),
          }),
      ],
    ] as const) {
      it(`that fails is the failure ${how}`, async () => {
        const error = await failure(work, 'POSTGRESQL:CONSTRAINT_VIOLATION', 'CONSTRAINT_VIOLATION');
        expect(error).to.include({ sqlState: '23505', constraint: 'once' });
        expect(await select('select count(*)::int n from deferred')).to.deep.equal([{ n: 0 }]);
      });
    }
  });

  describe('a stream', () => {
    const numbers = (count: number): string => `select g from generate_series(1, ${count}) g`;
    const cases: readonly (readonly [rows: number, batchSize: number | undefined, sizes: number[]])[] = [
      [0, 3, []],
      [1, 1, [1]],
      [3, 1, [1, 1, 1]],
      [7, 3, [3, 3, 1]],
      [6, 3, [3, 3]],
      [3, 3, [3]],
      [2, 3, [2]],
      [2_500, undefined, [1_000, 1_000, 500]],
      [10, 1_000_000, [10]],
    ];
    for (const [rows, batchSize, sizes] of cases) {
      it(`of ${rows} rows in batches of ${batchSize ?? 'the default size'} has ${sizes.length}`, async () => {
        expect(await batchesOf(numbers(rows), batchSize)).to.deep.equal(sizes);
      });
    }

    it('has all rows in order, and one session', async () => {
      const seen: unknown[] = [];
      for await (const rows of use.connector.stream('select', { sql: numbers(1_000) }, { batchSize: 33 })) {
        expect(use.connector.health().pool).to.include({ inUse: 1 });
        for (const { g } of rows) seen.push(g);
      }
      expect(seen).to.deep.equal(Array.from({ length: 1_000 }, (_, index) => index + 1));
      expect(use.connector.health().pool).to.include({ inUse: 0 });
    });

    it('that is left early gives its session back, usable and without a portal', async () => {
      for await (const rows of use.connector.stream(
        'select',
        { sql: numbers(1_000_000) },
        { batchSize: 10 },
      )) {
        expect(rows).to.have.length(10);
        break;
      }
      expect(use.connector.health().pool).to.include({ inUse: 0 });
      expect(
        await select("select statement from pg_cursors where statement not like '%pg_cursors%'"),
      ).to.deep.equal([]);
    });

    it('whose consumer throws gives its session back', async () => {
      const consume = async (): Promise<void> => {
        for await (const rows of use.connector.stream('select', { sql: numbers(100) }, { batchSize: 10 }))
          if (rows.length > 0) throw new RangeError('mine');
      };
      let thrown: unknown;
      await consume().catch((error: unknown) => (thrown = error));
      expect(thrown).to.be.instanceOf(RangeError);
      expect(use.connector.health().pool).to.include({ inUse: 0 });
    });

    it('that is never begun takes no session', () => {
      use.connector.stream('select', { sql: numbers(1) });
      expect(use.connector.health().pool).to.include({ inUse: 0 });
    });

    it('that fails in its middle gives the rows before, then the error', async () => {
      const seen: number[] = [];
      const consume = async (): Promise<void> => {
        const sql = 'select 10 / (25 - g) as q from generate_series(1, 50) g';
        for await (const rows of use.connector.stream('select', { sql }, { batchSize: 10 }))
          seen.push(rows.length);
      };
      const error = await failure(consume, 'POSTGRESQL:DATA_ERROR', 'DATA_ERROR');
      expect(error.sqlState).to.equal('22012');
      expect(seen).to.deep.equal([10, 10]);
      expect(await select('select 1 as one')).to.deep.equal([{ one: 1 }]);
    });

    for (const batchSize of [0, -1, 1.5, NaN, Infinity, '10' as never]) {
      it(`refuses batches of ${JSON.stringify(batchSize)}`, async () => {
        const work = drain(use.connector.stream('select', { sql: 'select 1' }, { batchSize }));
        await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
      });
    }

    it('refuses a wrong operation and a wrong input', async () => {
      await failure(drain(use.connector.stream('slect', {})), 'POSTGRESQL:SETTINGS', 'OPERATION_UNKNOWN');
      await failure(
        drain(use.connector.stream('select', null as never)),
        'POSTGRESQL:SETTINGS',
        'OPERATION_INPUT_INVALID',
      );
    });

    it('of a write ends the write, also when it is left early', async () => {
      const sql = "insert into t select g, 'x' from generate_series(1, 20) g returning id";
      for await (const rows of use.connector.stream('execute', { sql }, { batchSize: 5 })) {
        expect(rows).to.have.length(5);
        break;
      }
      expect(await select('select count(*)::int n from t')).to.deep.equal([{ n: 20 }]);
      await execute('delete from t');
    });
  });

  it('V-14 values that cannot be sent are refused before they are sent, and harm nothing', async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    for (const value of [cyclic, { a: 1n }, new Map(), [new Date(NaN)]]) {
      for (const operation of ['select', 'execute']) {
        const work = use.connector.execute(operation, { sql: 'select $1::jsonb', parameters: [value] });
        await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
      }
      const insert = use.connector.execute('insert', { table: 't', rows: [{ id: 1, v: value }] });
      await failure(insert, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
    }
  });
});

async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const batch of batches) expect(batch).not.to.equal(undefined);
}
