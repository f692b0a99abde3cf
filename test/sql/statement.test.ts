import { expect } from 'chai';
import { runInNewContext } from 'node:vm';
import { MOST_PARAMETERS, statement } from '#src/sql/statement.js';
import { failure } from '../support/failure.js';

const refusal = async (value: unknown): Promise<string> =>
  (
    await failure(
      () => statement('select', 'select $1', [value]),
      'POSTGRESQL:SETTINGS',
      'OPERATION_INPUT_INVALID',
    )
  ).message;
const sent = (value: unknown): unknown => statement('select', 'select $1', [value]).values[0];
const foreign = (code: string): unknown => runInNewContext(code);

describe('statement', () => {
  it('is text and values, with none where none are given', () => {
    expect(statement('select', 'select 1')).to.deep.equal({ text: 'select 1', values: [] });
  });

  for (const [row, text] of [
    ['Q-13 U+0000', 'select 1\0'],
    ['Q-14 half of a surrogate pair', "select '\ud800'"],
  ] as const) {
    it(`${row} in the text is refused`, async () => {
      const work = (): unknown => statement('select', text);
      const { message } = await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
      expect(message).to.equal('The input of select is wrong: sql holds U+0000 or half of a surrogate pair.');
    });
  }

  it('Q-15 takes 65,535 parameters and refuses more before anything is sent', async () => {
    const many = (count: number) => statement('select', 'select 1', new Array<number>(count).fill(1));
    expect(many(MOST_PARAMETERS).values).to.have.length(65_535);
    for (const count of [65_536, 131_074]) {
      const { message } = await failure(() => many(count), 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
      expect(message).to.contain('more than 65535 parameters');
    }
  });

  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const endless: unknown[] = [];
  endless.push(endless);
  const throwing = {
    get x(): never {
      throw new Error('canary');
    },
  };
  const refused: readonly (readonly [row: string, value: unknown, problem: string])[] = [
    ['Q-13 text with U+0000', 'a\0', 'holds U+0000 or half of a surrogate pair'],
    ['Q-14 text with half of a surrogate pair', '\udc00', 'holds U+0000 or half of a surrogate pair'],
    ['Q-14 the same inside an array', ['a', ['\ud800']], 'holds U+0000 or half of a surrogate pair'],
    ['V-07 an invalid date', new Date(NaN), 'is an invalid date'],
    ['V-07 an invalid date inside an array', [new Date(NaN)], 'is an invalid date'],
    ['V-07 an invalid date of another realm', foreign('new Date(NaN)'), 'is an invalid date'],
    ['V-13 an array of seven dimensions', [[[[[[[1]]]]]]], 'has more than 6 dimensions'],
    ['V-14 a function', () => 1, 'is a function'],
    ['V-14 a symbol', Symbol('x'), 'is a symbol'],
    ['V-14 a map, which JSON would make {}', new Map([[1, 2]]), 'is a Map, which has no SQL form'],
    ['V-14 a promise', Promise.resolve(1), 'is a Promise, which has no SQL form'],
    [
      'V-14 an ArrayBuffer, which JSON would make {}',
      new ArrayBuffer(2),
      'is a ArrayBuffer, which has no SQL form',
    ],
    ['V-14 a cyclic object', cyclic, 'cannot be written as JSON'],
    ['V-14 an endless array', endless, 'has more than 6 dimensions'],
    ['V-14 a bigint inside JSON', { a: 1n }, 'cannot be written as JSON'],
    ['V-14 a getter that throws', throwing, 'cannot be written as JSON'],
    [
      'V-14 an object that is no JSON',
      { toJSON: (): undefined => undefined },
      'is a Object, which has no SQL form',
    ],
  ];
  for (const [row, value, problem] of refused) {
    it(`${row} is refused as a parameter`, async () => {
      expect(await refusal(value)).to.equal(`The input of select is wrong: parameter 1 ${problem}.`);
    });
  }

  it('names every wrong parameter by its number, not by its value, and at most ten', async () => {
    const work = (): unknown => statement('select', 'select 1', new Array<string>(50).fill('canary\0'));
    const { message } = await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
    expect(message)
      .to.match(/parameter 1 .*parameter 10 /)
      .and.not.to.match(/parameter 11|canary/);
  });

  const kept: readonly (readonly [row: string, value: unknown])[] = [
    ['text', 'x'],
    ['an integer', 1],
    ['V-04 NaN', NaN],
    ['V-04 Infinity', -Infinity],
    ['V-04 a bigint', 2n ** 70n],
    ['a boolean', false],
    ['null', null],
    ['undefined', undefined],
    ['a date', new Date(0)],
    ['V-09 bytes', Buffer.from([0, 255])],
    ['V-09 a view', new Uint8Array([1, 2, 3]).subarray(1)],
    [
      'V-13 an array',
      [
        [1, null],
        [2, 3],
      ],
    ],
  ];
  for (const [row, value] of kept) {
    it(`${row} goes to the driver as it is`, () => {
      expect(sent(value)).to.deep.equal(value);
    });
  }

  it('V-04 a negative zero keeps its sign, in arrays too', () => {
    expect(sent(-0)).to.equal('-0');
    expect(sent([-0, 0])).to.deep.equal(['-0', 0]);
  });

  it('V-14 objects become JSON here, and no code of theirs decides how they are sent', () => {
    const hostile = { a: 1, toPostgres: (): string => 'evil' };
    expect(sent(hostile)).to.equal('{"a":1}');
    expect(sent(foreign('({ a: [1, { b: null }] })'))).to.equal('{"a":[1,{"b":null}]}');
    expect(sent([{ a: 1 }])).to.deep.equal(['{"a":1}']);
    expect(sent(new URL('https://x.example/'))).to.equal('"https://x.example/"');
  });
});
