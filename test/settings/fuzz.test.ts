import { expect } from 'chai';
import { fuzz } from './fuzz.js';

describe('connection strings by the thousand', () => {
  // The full form, 10 million: npm run fuzz:settings
  it('P-30 are read in one way or refused by the rules, in time', () => {
    const { parsed, resolved } = fuzz(20_000, 20_211_121);
    expect(parsed, 'parsed').to.be.greaterThan(4_000);
    expect(resolved, 'resolved').to.be.greaterThan(1_000);
  }).timeout(30_000);
});
