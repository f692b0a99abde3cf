import { expect } from 'chai';
import { checkPool } from './model-check.js';

describe('pool model', () => {
  // The full form, a million steps: npm run model:pool
  it('A.1 the pool does what its model does, at every one of 10,000 random steps', async () => {
    const seed = Date.now() % 1_000_000;
    // A failure names the step and the seed.
    const { steps, taken } = await checkPool(10_000, seed);
    expect(steps).to.equal(10_000);
    for (const [kind, count] of Object.entries(taken)) expect(count, kind).to.be.greaterThan(50);
    expect(Object.keys(taken)).to.include.members([
      'asks',
      'returns',
      'opens',
      'answers',
      'breaks',
      'leaves',
    ]);
  }).timeout(60_000);
});
