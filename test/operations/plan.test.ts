import { expect } from 'chai';
import { OPERATIONS, planOperation } from '#src/operations/index.js';
import { RESULT } from '#src/operations/schemas.js';
import { failure } from '../support/failure.js';
import { DRAFT_07 } from './draft-07.js';

const invalid = async (operation: string, input: unknown): Promise<string> => {
  const work = (): unknown => planOperation(operation, input);
  return (await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID')).message;
};
const textsOf = (operation: string, input: object): string[] =>
  planOperation(operation, input).plan.statements.map(({ text }) => text);

describe('operations', () => {
  it('are listed in the order that hosts show', () => {
    expect(OPERATIONS.map(({ name }) => name)).to.deep.equal(['select', 'insert', 'upsert', 'execute']);
  });

  for (const { name, title, description, inputSchema, annotations } of OPERATIONS) {
    describe(name, () => {
      it('has a name, a title and a description for forms', () => {
        expect(name).to.match(/^[a-z]+$/);
        expect(title.toLowerCase()).to.equal(name);
        expect(description).to.match(/^[A-Z].*\.$/);
      });

      it('has an input schema of draft-07 that is closed, and words for every property', () => {
        expect(DRAFT_07.validate(inputSchema).errors).to.deep.equal([]);
        expect(inputSchema).to.include({ type: 'object', additionalProperties: false });
        const properties = inputSchema['properties'] as Record<
          string,
          { title?: string; description?: string }
        >;
        expect(Object.keys(properties)).to.include.members(inputSchema['required'] as string[]);
        for (const property of Object.values(properties)) {
          expect(property.title).to.match(/^[A-Z]/);
          expect(property.description).to.match(/^[A-Z].*\.$/);
        }
      });

      it('does not say that it writes nothing and destroys something', () => {
        expect(annotations.readOnlyHint && annotations.destructiveHint).to.equal(false);
      });

      for (const input of [undefined, null, 'select 1', 1, [], [1], {}, { sql: 1, table: 1 }]) {
        it(`refuses ${JSON.stringify(input)} as input`, async () => {
          expect(await invalid(name, input)).to.match(
            new RegExp(`^The input of ${name} is wrong: .+[^.]\\.$`),
          );
        });
      }

      it('names what is missing', async () => {
        expect(await invalid(name, {})).to.match(
          /^The input of \w+ is wrong: input: "(?:sql|table)" is missing/,
        );
      });

      it('refuses a property that it does not know, and names it', async () => {
        expect(
          await invalid(name, { sql: 'x', table: 't', rows: [], conflictColumns: ['a'], sqll: 'y' }),
        ).to.contain('sqll: unknown property');
      });

      it('Q-08 refuses properties named as members of a prototype', async () => {
        const input: unknown = JSON.parse(
          '{"sql":"x","table":"t","rows":[],"conflictColumns":["a"],"__proto__":{"a":1}}',
        );
        expect(await invalid(name, input)).to.contain('__proto__: unknown property');
      });
    });
  }

  it('have one schema of what they give', () => {
    expect(DRAFT_07.validate(RESULT).errors).to.deep.equal([]);
  });
});

describe('planning', () => {
  for (const name of ['', 'Select', 'drop', '__proto__', 'constructor', 'a\nb\u202e']) {
    it(`refuses the operation ${JSON.stringify(name)} and lists those there are`, async () => {
      const error = await failure(() => planOperation(name, {}), 'POSTGRESQL:SETTINGS', 'OPERATION_UNKNOWN');
      expect(error.cure).to.equal('Use one of: select, insert, upsert, execute.');
      expect(error.message).to.match(/^There is no operation "[\x20-\x7e]*"\.$/);
    });
  }

  it('takes undefined for absent', () => {
    expect(planOperation('select', { sql: 'select 1', parameters: undefined }).plan.statements).to.deep.equal(
      [{ text: 'select 1', values: [] }],
    );
    expect(
      textsOf('insert', { table: 't', schema: undefined, rows: [{ a: 1 }], returning: undefined }),
    ).to.deep.equal(['insert into "t" as target ("a") values ($1)']);
  });

  const wrong: readonly (readonly [what: string, operation: string, input: object, place: RegExp])[] = [
    ['no sql', 'select', { parameters: [] }, /input: .*sql/],
    ['empty sql', 'select', { sql: '' }, /sql: /],
    ['parameters that are no array', 'select', { sql: 'x', parameters: { a: 1 } }, /parameters: /],
    ['null for parameters', 'execute', { sql: 'x', parameters: null }, /parameters: /],
    ['no rows', 'insert', { table: 't' }, /input: .*rows/],
    ['a row that is no object', 'insert', { table: 't', rows: [{ a: 1 }, 'x'] }, /rows\/1: /],
    ['a row that is null', 'insert', { table: 't', rows: [null] }, /rows\/0: /],
    ['a row that is an array', 'insert', { table: 't', rows: [[1]] }, /rows\/0: /],
    ['an empty schema', 'insert', { table: 't', schema: '', rows: [] }, /schema: /],
    ['no conflict columns', 'upsert', { table: 't', rows: [] }, /input: .*conflictColumns/],
    [
      'an empty list of conflict columns',
      'upsert',
      { table: 't', rows: [], conflictColumns: [] },
      /conflictColumns: /,
    ],
    [
      'a skipUnchanged that is text',
      'upsert',
      { table: 't', rows: [], conflictColumns: ['a'], skipUnchanged: 'no' },
      /skipUnchanged: /,
    ],
    ['a function for sql', 'select', { sql: () => 1 }, /wrong: .+/],
    ['a symbol for parameters', 'select', { sql: 'x', parameters: Symbol('x') }, /wrong: .+/],
    ['a bigint for sql', 'select', { sql: 1n }, /wrong: .+/],
  ];
  for (const [what, operation, input, place] of wrong) {
    it(`refuses ${what} in ${operation}, and says where`, async () => {
      expect(await invalid(operation, input)).to.match(place);
    });
  }

  it('X-12 names places, not values', async () => {
    const canary = 'canary-9f3k';
    for (const input of [
      { sql: 1, parameters: canary },
      { sql: 'x', parameters: { canary } },
    ])
      expect(await invalid('select', input)).not.to.contain(canary);
    expect(await invalid('insert', { table: 't', rows: [canary] })).not.to.contain(canary);
  });

  it('says no more than five problems of a thousand wrong rows', async () => {
    const rows = new Array<string>(1_000).fill('x');
    expect((await invalid('insert', { table: 't', rows })).length).to.be.lessThan(1_000);
  });

  it('Q-03 refuses identifiers by their own code', async () => {
    const work = (): unknown => planOperation('insert', { table: 'x'.repeat(64), rows: [{ a: 1 }] });
    await failure(work, 'POSTGRESQL:SETTINGS', 'IDENTIFIER_INVALID');
  });

  it('leaves its input as it was', () => {
    const input = Object.freeze({ table: 't', rows: Object.freeze([Object.freeze({ a: -0, b: { c: 1 } })]) });
    expect(planOperation('insert', input).plan.statements[0]?.values).to.deep.equal(['-0', '{"c":1}']);
    expect(input).to.deep.equal({ table: 't', rows: [{ a: -0, b: { c: 1 } }] });
  });

  it('Q-20 takes text of 10 MB', () => {
    const sql = `select 1 -- ${'x'.repeat(10_000_000)}`;
    expect(textsOf('select', { sql })).to.deep.equal([sql]);
  });
});
