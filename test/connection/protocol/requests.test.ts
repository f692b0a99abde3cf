import { expect } from 'chai';
import { serialize } from 'pg-protocol';
import { Requests } from '#src/connection/protocol/requests.js';

describe('what a server owes an answer to', () => {
  const busyAfter = (...writes: Buffer[]): boolean => {
    const requests = new Requests();
    for (const write of writes) requests.note(write);
    return requests.isBusy;
  };

  it('is each message of a statement, and nothing else', () => {
    expect(busyAfter()).to.equal(false);
    expect(busyAfter(serialize.query('select 1'))).to.equal(true);
    expect(busyAfter(serialize.parse({ text: 'select 1' }))).to.equal(true);
    expect(busyAfter(serialize.flush())).to.equal(true);
    expect(busyAfter(serialize.copyData(Buffer.from('QQQ')), serialize.end())).to.equal(false);
  });

  it('is answered by one ReadyForQuery for each Sync and Query', () => {
    const requests = new Requests();
    requests.note(Buffer.concat([serialize.query('select 1'), serialize.bind(), serialize.sync()]));
    expect([requests.answered(), requests.isBusy]).to.deep.equal([true, true]);
    expect([requests.answered(), requests.isBusy]).to.deep.equal([true, false]);
    expect(requests.answered()).to.equal(false);
  });

  it('is told whatever the pieces are in which it is written', () => {
    const wire = Buffer.concat([
      serialize.query('Q S Q S'),
      serialize.bind({ values: ['SSSS'] }),
      serialize.sync(),
    ]);
    for (const size of [1, 2, 3, 4, 5, 7, 11, wire.length]) {
      const requests = new Requests();
      for (let at = 0; at < wire.length; at += size) requests.note(wire.subarray(at, at + size));
      expect(
        [requests.answered(), requests.answered(), requests.answered()],
        `pieces of ${String(size)}`,
      ).to.deep.equal([true, true, false]);
    }
  });
});
