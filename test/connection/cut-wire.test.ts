import { expect } from 'chai';
import { useSandbox } from '../support/use-sandbox.js';
import { cutWire } from './cut-wire.js';

describe('a wire that is cut', function () {
  this.timeout(60_000);
  const use = useSandbox();

  // The full form, every byte in every way: npm run cut:wire
  it('N-16 leaves a typed result wherever it was cut, and no write twice', async () => {
    const { cuts, select, insert } = await cutWire(use.sandbox, 97);
    expect(cuts).to.be.greaterThan(50);
    expect(select).to.include.keys('done', 'CONNECTION_LOST');
    expect(insert).to.include.keys('done', 'OUTCOME_UNKNOWN');
  });
});
