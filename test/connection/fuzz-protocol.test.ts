import { expect } from 'chai';
import { fuzz } from './fuzz-protocol.js';

describe('mutated conversations', () => {
  // The full form, a million messages: npm run fuzz:protocol
  const seed = Date.now() % 1_000_000;
  it(`B-24 are answered or refused by the rules, and every wait settles (seed ${String(seed)})`, async () => {
    const { answered, refused, unfinished } = await fuzz(3_000, seed);
    expect(Math.min(answered, refused, unfinished)).to.be.greaterThan(10);
  }).timeout(20_000);
});
