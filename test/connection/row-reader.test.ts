import { expect } from 'chai';
import { rowReader } from '#src/connection/row-reader.js';
import { message } from '../support/server-messages.js';

/** A DataRow of these values. */
function dataRow(...values: (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const parts = values.map((value) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : Buffer.byteLength(value));
    return value === null ? length : Buffer.concat([length, Buffer.from(value)]);
  });
  return message('D', Buffer.concat([count, ...parts]));
}

describe('rows from messages', () => {
  const read = rowReader([
    { name: 'n', typeOid: 23 },
    { name: 't', typeOid: 25 },
  ]);
  const readAll = (bytes: Buffer) => read(bytes, 0, bytes.length);

  it('have the values of their columns by name', () => {
    expect(readAll(dataRow('-12', 'ü'))).to.deep.equal({ n: -12, t: 'ü' });
    expect(readAll(dataRow(null, ''))).to.deep.equal({ n: null, t: '' });
  });

  it('may bear any name', () => {
    const named = rowReader([{ name: '__proto__', typeOid: 25 }]);
    const row = dataRow('x');
    expect(Object.entries(named(row, 0, row.length))).to.deep.equal([['__proto__', 'x']]);
  });

  const VALUE_AT = 5 + 2;
  for (const [title, change] of [
    ['another number of columns', (bytes: Buffer) => bytes.writeInt16BE(3, 5)],
    ['a value beyond the end', (bytes: Buffer) => bytes.writeInt32BE(1_000, VALUE_AT)],
    ['a value of the largest length', (bytes: Buffer) => bytes.writeInt32BE(2 ** 31 - 1, VALUE_AT)],
    ['bytes behind the last value', (bytes: Buffer) => bytes.writeInt32BE(-1, VALUE_AT + 4 + 3)],
  ] as const)
    it(`B-24 are refused with ${title}`, () => {
      const bytes = dataRow('-12', 'text');
      change(bytes);
      expect(() => readAll(bytes)).to.throw(RangeError);
    });
});
