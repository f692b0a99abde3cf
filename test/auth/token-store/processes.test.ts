import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Child } from './children.js';
import { killLoop } from './kill-loop.js';
import { namesBeside, usePaths } from './stores.js';

const newPath = usePaths();

describe('token file among processes', function () {
  this.timeout(60_000);

  it('C-20 makes one request for three processes that start cold together, and none for those that follow', async () => {
    let requests = 0;
    const authority = createServer((_, response) => {
      requests += 1;
      const token = `token-${String(requests)}`;
      // Long enough for all of them to come while it is out.
      setTimeout(() => response.end(token), 200);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => authority.once('listening', resolve));
    const address = `http://127.0.0.1:${String((authority.address() as AddressInfo).port)}`;
    const path = newPath();
    try {
      for (const wave of ['cold', 'warm']) {
        const children = await Promise.all([1, 2, 3].map(() => Child.start('obtain', path, address)));
        const told = await Promise.all(children.map((child) => child.ask('token')));
        await Promise.all(children.map((child) => child.ended()));
        expect(new Set(told.map(({ token }) => token)), wave).to.deep.equal(new Set(['token-1']));
        expect(requests, wave).to.equal(1);
        expect(children.flatMap(({ warnings }) => warnings)).to.deep.equal([]);
      }
    } finally {
      authority.closeAllConnections();
      authority.close();
    }
    expect(await namesBeside(path)).to.deep.equal(['token']);
  });

  it('F-01 F-02 survives 20 kills during writes: no corrupt read, nothing left (2,000: npm run kill:token-file)', async () => {
    const { kills, corrupt, leftovers, warnings, changes } = await killLoop(newPath(), 20);
    expect({ kills, corrupt, leftovers, warnings }).to.deep.equal({
      kills: 20,
      corrupt: 0,
      leftovers: 0,
      warnings: 0,
    });
    expect(changes).to.be.greaterThan(10);
  });
});
