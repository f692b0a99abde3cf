import { expect } from 'chai';
import { FrameSplitter } from '#src/connection/protocol/frames.js';
import { message } from '../../support/server-messages.js';

describe('framing of server messages', () => {
  const MESSAGES = [
    message('Z', Buffer.from('I')),
    message('n'),
    message('D', Buffer.alloc(300, 7)),
    message('C', Buffer.from('SELECT 1\0')),
  ];
  const WIRE = Buffer.concat(MESSAGES);

  function split(chunks: readonly Buffer[], largest = 65_536): string[] {
    const seen: string[] = [];
    const frames = new FrameSplitter(
      (bytes, start, end) => seen.push(bytes.toString('latin1', start, end)),
      (_, size) => {
        if (size < 5 || size > largest) throw new RangeError();
      },
    );
    for (const chunk of chunks) frames.push(chunk);
    return seen;
  }

  const WHOLE = MESSAGES.map((each) => each.toString('latin1'));

  it('gives the same messages wherever the wire was cut once or twice', () => {
    for (let first = 0; first <= WIRE.length; first += 1) {
      for (const second of [first, first + 1, first + 4, first + 200]) {
        const chunks = [WIRE.subarray(0, first), WIRE.subarray(first, second), WIRE.subarray(second)];
        expect(split(chunks), `cut at ${String(first)} and ${String(second)}`).to.deep.equal(WHOLE);
      }
    }
  });

  it('N-15 gives the same messages from segments of one byte', () => {
    expect(split([...WIRE].map((byte) => Buffer.of(byte)))).to.deep.equal(WHOLE);
  });

  it('hands on what arrives in one piece without copying it', () => {
    const lent: Buffer[] = [];
    const frames = new FrameSplitter(
      (bytes) => lent.push(bytes),
      () => undefined,
    );
    frames.push(WIRE);
    expect(lent.every((bytes) => bytes === WIRE)).to.equal(true);
  });

  for (const length of [-1, 0, 3, 2 ** 31 - 1, 65_537])
    it(`B-25 refuses a message that claims a length of ${String(length)}`, () => {
      const head = Buffer.from('D\0\0\0\0');
      head.writeInt32BE(length, 1);
      expect(() => split([head])).to.throw(RangeError);
      expect(() => split([...head].map((byte) => Buffer.of(byte)))).to.throw(RangeError);
    });
});
