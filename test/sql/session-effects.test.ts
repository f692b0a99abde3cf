import { expect } from 'chai';
import fc from 'fast-check';
import { HARMLESS_FUNCTIONS, HARMLESS_VOLATILE } from '#src/sql/harmless-functions.js';
import { leavesNoTrace } from '#src/sql/session-effects.js';
import { useSandbox } from '../support/use-sandbox.js';

const CLEAN: readonly string[] = [
  'select 1',
  'SELECT * FROM t WHERE id = $1',
  '(select 1) union all (select 2);',
  'values (1, 2), (3, 4)',
  'table t',
  'show search_path',
  'with recent as (select * from t where at > now() - interval $1) select count(*) from recent',
  'with x as materialized (select 1) select * from x',
  'with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n'.replace(
    'n(i)',
    'n',
  ),
  'select lower(name), upper ( name ), coalesce(a, 0)::numeric(10, 2), cast(a as varchar(10)) from t',
  "select 'nextval(''s'')', E'it\\'s set_config(', $$ for update $$, $tag$ into $tag$, U&'\\0061' from t",
  'select /* nextval( /* nested */ insert */ 1 -- for update',
  'select "nextval", "into", t."update" from "Insert" t',
  'select row_number() over (partition by (a) order by (b)) from t',
  'select count(*) filter (where a > 0) over (order by b) from t',
  'select percentile_cont(0.5) within group (order by x) from t',
  'select * from t join (select 1 as a) u using (a) left join lateral (select 2) v on (true)',
  'select * from unnest($1::int[]) as u(a), generate_series(1, 3) as g',
  'select a from t where b in (1, 2) and exists (select 1) and c = any($1) and not (d)',
  'select distinct on (a) a, b from t group by grouping sets ((a), (b)) having (true) limit (1) offset (0)',
  'select pg_catalog.lower(a), pg_catalog . now ( ) from t',
  'select substring(a from 1 for 2), trim(both from a), extract(year from b), position($1 in a) from t',
  'select array[1, 2][1], (array(select 1))[1], row(1, 2), a.b.c, 1.5e3, .5, $1 from t',
  "select a->>'x', a #> '{b}', a @> $1, b ~* 'x', c || d, -e from t",
  'select pg_sleep(1)',
  'select case when (a) then (b) else (c) end from t',
  'select éa from tablé',
];

const TRACES: readonly string[] = [
  '',
  ' ',
  ';',
  '--',
  '/* x */',
  'set a = 1',
  'reset all',
  'begin',
  'listen x',
  'notify x',
  'prepare p as select 1',
  'execute p',
  'deallocate all',
  'declare c cursor for select 1',
  'create temp table x (a int)',
  'create table x as select 1',
  'do $$ begin end $$',
  'call p()',
  'copy t to stdout',
  'lock t',
  'load $$x$$',
  'discard all',
  'vacuum',
  'explain analyze select 1',
  'explain select 1',
  'insert into t values (1)',
  'update t set a = 1',
  'select 1 into x',
  'select * into temp x from t',
  'select * from t for update',
  'select * from t FOR NO KEY UPDATE',
  'select * from t for share',
  'select * from t for key share skip locked',
  'with x as (insert into t values (1) returning a) select * from x',
  'with x as (delete from t returning a) select * from x',
  'with x as (merge into t using u on true when matched then delete returning 1) select * from x',
  "select nextval('s')",
  "select setval('s', 1)",
  "select currval('s')",
  'select lastval()',
  'select setseed(0.5)',
  "select set_config('a', 'b', false)",
  'select pg_advisory_lock(1)',
  'select pg_try_advisory_xact_lock(1)',
  "select dblink_connect('x')",
  'select lo_create(0)',
  "select pg_notify('a', 'b')",
  'select pg_terminate_backend(1)',
  "select query_to_xml('select 1', true, true, '')",
  "select ts_stat('select 1')",
  'select own(1)',
  'select s.lower(1)',
  'select "set_config"($1, $2, false)',
  'select U&"set\\005fconfig"($1, $2, false)',
  'select "lower"(a)',
  'select SET_CONFIG($1, $2, false)',
  'select set_config /* */ -- x\n ($1, $2, false)',
  'select pg_catalog.set_config($1, $2, false)',
  'select x.pg_catalog.lower(1)',
  'select pg_catalog."set_config"($1)',
  "select ('s'::regclass).nextval",
  "select (array['s'::regclass])[1].nextval",
  'select $1.nextval',
  'select $1 .nextval',
  'select 1; select 2',
  'select 1; set a = 1',
  ';select 1',
  // Read otherwise than it looks.
  "select E'\\' || set_config('a', 'b', false) || '",
  "select 'a' 'b'",
  "select E'a'\n'\\' , set_config($1, $2, false) , '",
  "select 'a\\', set_config($1, $2, false), '",
  'select $a$ $a',
  'select $a$ $b$ set_config($1) $b$',
  'select a$$ , set_config($1) $$',
  'select "',
  "select '",
  "select E'\\'",
  'select /* ',
  'select /* /* */ set_config($1, $2, false)',
  'select --\rset_config($1, $2, false)',
  'select 1into x',
  'select 1.into x',
  'select $1into x',
  'select 0x1',
  'select 1_000x',
  'select 1\0',
  'select \\',
  'select {',
  'select ((1)',
  'select (1))',
  'select ran\u212A(1)',
  'select over(1)',
  'select distinct on (a) over(1) from t',
  'select distinct on (a) filter(1) from t',
  'select by(1)',
  'select sets(1)',
  'select join(1)',
  'select similar(1)',
  'select like(a, b)',
  'select materialized(1)',
  'select operator(x.+)',
  'select 1 operator(x.+) 2',
  'select xmltable(1)',
  'select treat(x as y)',
];

describe('leavesNoTrace', function () {
  for (const sql of CLEAN)
    it(`is sure of ${JSON.stringify(sql)}`, () => {
      expect(leavesNoTrace(sql)).to.equal(true);
    });
  for (const sql of TRACES)
    it(`is not sure of ${JSON.stringify(sql)}`, () => {
      expect(leavesNoTrace(sql)).to.equal(false);
    });

  it('is not sure of a call of any other function, whatever surrounds it', () => {
    const blank = fc.constantFrom(
      '',
      ' ',
      '\n',
      '/**/',
      '/* ( /* */ */',
      '--\n',
      ' pg_catalog.',
      '"x".',
      '(',
      'not ',
      "''||",
      '$$;$$||',
      '1-',
    );
    const gap = fc.constantFrom('', ' ', '\n', '\t/**/', '/* ( /* */ */', '--\n', '-- )\r');
    const name = fc.constantFrom(
      'nextval',
      'SETVAL',
      'set_config',
      'pg_advisory_lock',
      'own',
      'pg_notify',
      '"lower"',
      'a.lower',
    );
    fc.assert(
      fc.property(
        blank,
        blank,
        name,
        gap,
        (a, b, called, c) => !leavesNoTrace(`select 1, ${a}${b}${called}${c}('x')`),
      ),
      { numRuns: 2_000 },
    );
  });

  it('takes any text, at once and in linear time', () => {
    const pieces = fc.constantFrom(
      "'",
      '"',
      '$$',
      '$a$',
      '/*',
      '*/',
      '--',
      '\n',
      '(',
      ')',
      'select ',
      "E'",
      'U&"',
      '\\',
      '1',
      '.',
      '$1',
      'a',
      ';',
      '\0',
      '\ud800',
    );
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 60 }),
        (parts) => typeof leavesNoTrace(parts.join('')) === 'boolean',
      ),
      { numRuns: 3_000 },
    );
    for (const piece of [
      "'",
      "''",
      '"',
      '""',
      '$$',
      '$a$',
      '/*',
      '/**/',
      '--',
      '-',
      '(',
      'a',
      ' ',
      '1',
      '1.',
      "E'\\",
      "'a",
      '.a',
      'over(',
      'select ',
      '\\',
    ]) {
      for (const opening of ['select ', "select '"]) {
        const startedAt = performance.now();
        leavesNoTrace(`${opening}${piece.repeat(Math.floor(19_000 / piece.length))}`);
        expect(performance.now() - startedAt, JSON.stringify(piece)).to.be.below(500);
      }
    }
    expect(leavesNoTrace(`select ${'1,'.repeat(25_000)}1`)).to.equal(false);
  });

  describe('and the server', function () {
    const use = useSandbox();

    it('agrees that the harmless functions are its own, and neither write nor hold anything', async () => {
      const sql = `select proname as name, bool_or(provolatile = 'v') as volatile from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and proname = any($1) group by 1`;
      const parameters = [[...HARMLESS_FUNCTIONS]];
      const { rows } = await use.connect().execute('select', { sql, parameters });
      const found = rows as { name: string; volatile: boolean }[];
      const names = new Set(found.map(({ name }) => name));
      expect([...HARMLESS_FUNCTIONS].filter((name) => !names.has(name))).to.deep.equal([]);
      const volatile = found.filter((row) => row.volatile).map(({ name }) => name);
      expect(volatile.filter((name) => !HARMLESS_VOLATILE.has(name))).to.deep.equal([]);
    });
  });
});
