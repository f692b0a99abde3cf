import { expect } from 'chai';
import { useConnector } from '../support/use-sandbox.js';
import { abortStorm } from './abort-storm.js';

describe('aborts at random moments', function () {
  this.timeout(30_000);
  const use = useConnector({ PoolMaxSize: '6' });

  // The full form, 10,000: npm run abort:storm
  it('B-14 B-15 B-17 settle at once, stop what they meant and nothing else, and leave nothing running', async () => {
    const report = await abortStorm(use.connector, use.sandbox, 200);
    expect(report).to.deep.include({ surprises: [], wrongVictims: [], orphans: 0 });
    expect(report.controls).to.be.greaterThan(10);
    // The bar of 250 ms is that of the full form: here other tests share the machine.
    expect(report.settledWithinMs).to.be.below(1_000);
  });
});
