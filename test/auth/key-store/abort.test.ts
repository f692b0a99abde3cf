import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { WorkBudget } from '#src/auth/key-store/work-budget.js';
import { fixture, PASSWORD } from './stores.js';

const REASON = new Error('the caller left');

describe('key store: a caller that leaves', () => {
  async function reasonOf(loading: Promise<unknown>): Promise<unknown> {
    return loading.then(
      () => expect.fail('the store was read'),
      (reason: unknown) => reason,
    );
  }

  it('gets its own reason before anything is read', async () => {
    const readFile = () => Promise.reject(new Error('was read'));
    const signal = AbortSignal.abort(REASON);
    expect(await reasonOf(loadKeyStore('a.pfx', { signal, readFile }))).to.equal(REASON);
  });

  for (const name of ['iterations-200000.jceks', 'aes256-600000.pfx', 'legacy-rc2-40.pfx']) {
    it(`gets it at once while ${name} is being opened`, async () => {
      const leaving = new AbortController();
      const loading = loadKeyStore(fixture(name), { password: PASSWORD, signal: leaving.signal });
      setImmediate(() => leaving.abort(REASON));
      expect(await reasonOf(loading)).to.equal(REASON);
      expect(getEventListeners(leaving.signal, 'abort')).to.have.lengthOf(0);
    });
  }

  it('stops the derivation', async () => {
    const leaving = new AbortController();
    let steps = 0;
    const step = (value: Buffer) => {
      steps += 1;
      if (steps === 10_000) leaving.abort(REASON);
      return value;
    };
    const budget = new WorkBudget(leaving.signal);
    expect(await reasonOf(budget.iterate(1e7, Buffer.alloc(1), step))).to.equal(REASON);
    expect(steps).to.equal(10_000);
    expect(() => budget.spend(1)).to.throw(REASON);
  });

  it('leaves no listener at its signal when the store was read', async () => {
    const { signal } = new AbortController();
    await loadKeyStore(fixture('pkcs8.pem'), { signal });
    await reasonOf(loadKeyStore(fixture('key-only.pem'), { signal }));
    expect(getEventListeners(signal, 'abort')).to.have.lengthOf(0);
  });
});
