import { expect } from 'chai';
import fc from 'fast-check';
import { quoteIdentifier, quoteLiteral, quoteTable } from '#src/sql/identifier.js';
import { createRoleSql } from '#src/sql/role.js';
import { failure } from '../support/failure.js';
import { useConnector } from '../support/use-sandbox.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const refused = (name: string) =>
  failure(() => quoteIdentifier(name, 'table'), SETTINGS, 'IDENTIFIER_INVALID');

describe('identifiers', () => {
  const quoted: readonly (readonly [name: string, sql: string])[] = [
    ['users', '"users"'],
    ['a"; drop table x; --', '"a""; drop table x; --"'],
    ['""', '""""""'],
    ['public.users', '"public.users"'],
    ["it's \\ $1 /*", `"it's \\ $1 /*"`],
  ];
  for (const [name, sql] of quoted) {
    it(`Q-01 quotes ${JSON.stringify(name)}`, () => {
      expect(quoteIdentifier(name, 'column')).to.equal(sql);
    });
  }

  it('Q-04 takes schema and table apart only where they are given apart', () => {
    expect(quoteTable('public.users')).to.equal('"public.users"');
    expect(quoteTable('users', 'public')).to.equal('"public"."users"');
  });

  const bad: readonly (readonly [what: string, name: string, problem: string])[] = [
    ['an empty name', '', 'it is empty'],
    ['U+0000', 'a\0b', 'it holds U+0000 or half of a surrogate pair'],
    ['half of a surrogate pair', 'a\ud800', 'it holds U+0000 or half of a surrogate pair'],
    ['64 bytes', 'x'.repeat(64), 'it is longer than 63 bytes'],
    ['64 bytes in 32 characters', 'ü'.repeat(32), 'it is longer than 63 bytes'],
    ['64 bytes in 16 emoji', '😀'.repeat(16), 'it is longer than 63 bytes'],
  ];
  for (const [what, name, problem] of bad) {
    it(`Q-03 refuses ${what}, which the server would cut or misread`, async () => {
      expect((await refused(name)).message).to.equal(`The table name cannot be used: ${problem}.`);
    });
  }

  it('Q-03 takes 63 bytes', () => {
    expect(quoteIdentifier(`${'ü'.repeat(31)}x`, 'table')).to.have.length(34);
  });

  describe('of roles', () => {
    it('writes the statement for a principal by name, and by object id', () => {
      expect(createRoleSql({ role: "o'flow" })).to.equal(
        "select * from pgaadauth_create_principal('o''flow', false, false);",
      );
      expect(createRoleSql({ role: 'flow', objectId: '1-2' })).to.equal(
        "select * from pgaadauth_create_principal_with_oid('flow', '1-2', 'service', false, false);",
      );
    });

    for (const role of ['', 'a\0', 'x'.repeat(64)]) {
      it(`Q-03 refuses the role ${JSON.stringify(role.slice(0, 5))}`, async () => {
        const { message } = await failure(() => createRoleSql({ role }), SETTINGS, 'IDENTIFIER_INVALID');
        expect(message).to.contain('The role name');
      });
    }
  });

  describe('on a server', function () {
    this.timeout(60_000);
    const use = useConnector();

    const execute = (sql: string, parameters: unknown[] = []) =>
      use.connector.execute('execute', { sql, parameters });

    const NAMES = [
      'a"; drop table x; --',
      'Upper Case',
      'select',
      '1st',
      'public.users',
      '"',
      "'",
      'tab\there',
      'new\nline',
      '日本語 😀',
      'ﬀ',
      '$1',
      '\\',
      '/*',
      '--',
      ' ',
      ';',
      '__proto__',
      'constructor',
      '%s',
      'x'.repeat(63),
    ];
    for (const name of NAMES) {
      it(`Q-02 reads and writes a table, a column and a schema named ${JSON.stringify(name)}`, async () => {
        const [schema, table] = [quoteIdentifier(name, 'schema'), quoteTable(name, name)];
        await use.sandbox.query(
          `create schema ${schema}; grant all on schema ${schema} to ${use.sandbox.role}`,
        );
        await execute(`create table ${table} (${quoteIdentifier(name, 'column')} text primary key, v int)`);
        const input = { table: name, schema: name, returning: ['v'] };
        const row = Object.fromEntries<unknown>([
          [name, 'key'],
          ['v', 1],
        ]);
        const inserted = await use.connector.execute('insert', { ...input, rows: [row] });
        expect(inserted).to.deep.include({ rows: [{ v: 1 }], affectedRows: 1 });
        const upserted = await use.connector.execute('upsert', {
          ...input,
          rows: [
            Object.fromEntries<unknown>([
              [name, 'key'],
              ['v', 2],
            ]),
          ],
          conflictColumns: [name],
          skipUnchanged: true,
        });
        expect(upserted.rows).to.deep.equal([{ v: 2 }]);
        // The catalogue has exactly that name, and one table of it.
        const found = await execute(
          'select t.relname, a.attname from pg_class t join pg_namespace n on n.oid = t.relnamespace join pg_attribute a on a.attrelid = t.oid where n.nspname = $1 and t.relkind = $2 and a.attnum = 1',
          [name, 'r'],
        );
        expect(found.rows).to.deep.equal([{ relname: name, attname: name }]);
      });
    }

    it('Q-04 tells the table "public.users" from users in public', async () => {
      await execute('create table "public.users" (v int); ');
      await execute('create table users (v int)');
      await use.connector.execute('insert', { table: 'public.users', rows: [{ v: 1 }] });
      await use.connector.execute('insert', { table: 'users', schema: 'public', rows: [{ v: 2 }] });
      const { rows } = await execute(
        'select (select v from "public.users") dotted, (select v from public.users) split',
      );
      expect(rows).to.deep.equal([{ dotted: 1, split: 2 }]);
    });

    it('Q-01 any name comes back from the server as it was quoted, and so does any literal', async () => {
      const awkward = fc.constantFrom('"', "'", '\\', ';', ' ', '.', '$', '-', '/', '*', '\n', 'U&');
      const any = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });
      const name = fc
        .string({ unit: fc.oneof(awkward, any), minLength: 1, maxLength: 20 })
        .filter((text) => !text.includes('\0') && text.isWellFormed() && Buffer.byteLength(text) <= 63);
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(name, { minLength: 20, maxLength: 20 }), async (names) => {
          const columns = names.map((each) => `${quoteLiteral(each)} as ${quoteIdentifier(each, 'column')}`);
          const { rows, fields } = await use.connector.execute('select', {
            sql: `select ${columns.join(', ')}`,
          });
          expect(fields.map((field) => field.name)).to.deep.equal(names);
          expect(rows).to.deep.equal([Object.fromEntries(names.map((each) => [each, each]))]);
        }),
        { numRuns: 50 },
      );
    });

    it('makes the role of an application', async () => {
      const role = "Flow 'Writer'";
      await use.sandbox.addApplication({ displayName: role });
      await use.sandbox.query(createRoleSql({ role }), [], { database: 'postgres' });
      const roles = await use.sandbox.query('select rolcanlogin, rolsuper from pg_roles where rolname = $1', [
        role,
      ]);
      expect(roles).to.deep.equal([{ rolcanlogin: true, rolsuper: false }]);
    });
  });
});
