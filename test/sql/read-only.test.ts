import { expect } from 'chai';
import { isAtomic, readsOnly } from '#src/sql/read-only.js';

describe('whether a statement surely only reads', () => {
  const READS = [
    'select 1',
    '  SELECT * from t',
    '(select 1) union (select 2)',
    '-- a comment\nselect 1',
    '/* insert */ select 1',
    'with x as (select 1) select * from x',
    'values (1)',
    'table t',
    'show timezone',
    'explain select 1',
    'select updated_at, inserted from t',
    "select 'delete'",
  ];
  for (const sql of READS) it(`yes: ${JSON.stringify(sql)}`, () => expect(readsOnly(sql)).to.equal(true));

  const WRITES = [
    'insert into t values (1)',
    'with gone as (delete from t returning *) select * from gone',
    'select * into copy_of_t from t',
    'select * from t for update',
    'explain analyze delete from t',
    'update t set a = 1',
    'do $$ begin end $$',
    'begin',
    "with d as (select '--' as c), e as (delete from t returning *) select * from e",
    "with d as (select '/*' as c), e as (delete from t returning *), f as (select '*/') select * from e",
    'explain analyse execute p',
    '',
  ];
  for (const sql of WRITES)
    it(`not surely: ${JSON.stringify(sql)}`, () => expect(readsOnly(sql)).to.equal(false));

  it('is told in linear time', () => {
    for (const piece of [' ', '/*', '--', "'", '(', '\\']) {
      const startedAt = performance.now();
      readsOnly(`${piece.repeat(200_000)}x`);
      expect(performance.now() - startedAt, piece).to.be.below(500);
    }
  });
});

describe('whether a statement surely happens as a whole or not at all', () => {
  const WHOLE = [
    'insert into t values (1)',
    ' UPDATE t set a = 1',
    '/* a note */ delete from t',
    'with x as (select 1) insert into t select * from x',
    'select f()',
    'create table t (id int)',
  ];
  for (const sql of WHOLE) it(`yes: ${JSON.stringify(sql)}`, () => expect(isAtomic(sql)).to.equal(true));

  const OTHERS = [
    'call p()',
    'do $$ begin commit; end $$',
    'begin',
    'commit',
    '/* /* */ insert */ call p()',
    '-- insert\ncall p()',
    'vacuum t',
    '',
  ];
  for (const sql of OTHERS)
    it(`not surely: ${JSON.stringify(sql)}`, () => expect(isAtomic(sql)).to.equal(false));
});
