import { expect } from 'chai';
import { serialize } from 'pg-protocol';
import { RequestReader, type Request } from '#src/connection/protocol/requests.js';

describe('requests among what is written', () => {
  function read(...pieces: readonly Buffer[]): Request[] {
    const requests: Request[] = [];
    const reader = new RequestReader((request) => requests.push(request));
    for (const piece of pieces) reader.note(piece);
    return requests;
  }

  const WIRE = Buffer.concat([
    serialize.query('Q S Q S'),
    serialize.parse({ name: 'one', text: 'select $1' }),
    serialize.bind({ statement: 'one', values: ['SSSS'] }),
    serialize.describe({ type: 'P' }),
    serialize.describe({ type: 'S', name: 'one' }),
    serialize.execute({ rows: 7 }),
    serialize.flush(),
    serialize.copyData(Buffer.from('QQQQQQ')),
    serialize.copyDone(),
    serialize.copyFail('Q'),
    serialize.close({ type: 'P' }),
    serialize.sync(),
    serialize.end(),
  ]);
  const REQUESTS: readonly Request[] = [
    { kind: 'query', mayCopy: false },
    { kind: 'parse' },
    { kind: 'bind' },
    { kind: 'describe', ofStatement: false },
    { kind: 'describe', ofStatement: true },
    { kind: 'execute', mostRows: 7, mayCopy: false },
    { kind: 'copy-end' },
    { kind: 'copy-end' },
    { kind: 'close' },
    { kind: 'sync' },
  ];

  it('are those that the server answers, in their order', () => {
    expect(read(WIRE)).to.deep.equal(REQUESTS);
  });

  it('are the same whatever the pieces are in which they are written', () => {
    for (let size = 1; size <= WIRE.length; size += 1) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < WIRE.length; at += size) pieces.push(WIRE.subarray(at, at + size));
      expect(read(...pieces), `pieces of ${String(size)}`).to.deep.equal(REQUESTS);
    }
  });

  it('B-27 may be answered by a COPY where a text says so, by its name too', () => {
    const copies = (...pieces: readonly Buffer[]): unknown =>
      read(...pieces).map((each) => 'mayCopy' in each && each.mayCopy);
    expect(copies(serialize.query('-- x\n COPY t from stdin'))).to.deep.equal([true]);
    expect(copies(serialize.query('select copying'))).to.deep.equal([false]);
    const named = (text: string): Buffer[] => [
      serialize.parse({ name: 'a', text }),
      serialize.bind({ statement: 'a' }),
      serialize.execute({}),
    ];
    expect(copies(...named('copy t to stdout'))).to.deep.equal([false, false, true]);
    expect(copies(...named('copy t to stdout'), ...named('select 1'))).to.deep.equal([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
    const other = [serialize.parse({ text: 'select 1' }), serialize.bind(), serialize.execute({})];
    expect(copies(...named('copy t to stdout'), ...other)).to.deep.equal([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
  });
});
