import { expect } from 'chai';
import { Secret } from '#src/settings/secret.js';
import { keyMaterialOf } from '#src/auth/key-material.js';
import type { TokenRequest } from '#src/auth/token-store/index.js';
import { MOST_TOKENS } from '#src/auth/token-store/memory.js';
import { failure } from '../../support/failure.js';
import { FakeClock } from '../../support/fake-clock.js';
import { service } from '../key-store/stores.js';
import { openStore, tokenOf } from './stores.js';

const clock = new FakeClock();

/** A request that gives `value` and counts itself in `made`. */
function requestOf(value: string, made: string[] = [], accepts = true): TokenRequest {
  return {
    accepts: () => accepts,
    request: async () => {
      made.push(value);
      return { token: tokenOf(value, clock) };
    },
  };
}

describe('token store in memory', () => {
  it('gives what is kept at once, and nothing before', async () => {
    const store = openStore('memory://');
    expect(store.get('key')).to.equal(undefined);
    const token = await store.obtain('key', requestOf('token'));
    expect(store.get('key')).to.equal(token);
    expect(store.get('other')).to.equal(undefined);
  });

  it('requests a token only where the kept one will not do, and hands the note on', async () => {
    const store = openStore('memory://');
    const notes: (string | undefined)[] = [];
    const request = async (note: string | undefined) => {
      notes.push(note);
      return { token: tokenOf(`token-${String(notes.length)}`, clock), note: 'discovered' };
    };
    for (const accepts of [true, true, false]) await store.obtain('key', { accepts: () => accepts, request });
    expect(notes).to.deep.equal([undefined, 'discovered']);
    expect(store.get('key')?.value.reveal()).to.equal('token-2');
  });

  it('shares memory://name by its name, and memory:// with nobody', async () => {
    await openStore('memory://shared').obtain('key', requestOf('token'));
    expect(openStore('memory://shared').get('key')?.value.reveal()).to.equal('token');
    expect(openStore('memory://other').get('key')).to.equal(undefined);
    await openStore('memory://').obtain('key', requestOf('token'));
    expect(openStore('memory://').get('key')).to.equal(undefined);
  });

  it('makes one request for many callers, and a further one only for who cannot use its token', async () => {
    const store = openStore('memory://');
    const made: string[] = [];
    const alike = Array.from({ length: 100 }, () => store.obtain('key', requestOf('one', made)));
    const picky = Array.from({ length: 100 }, () =>
      store.obtain('key', {
        ...requestOf('two', made),
        accepts: ({ value }) => value.reveal() === 'two',
      }),
    );
    const values = (await Promise.all([...alike, ...picky])).map(({ value }) => value.reveal());
    expect(new Set(values.slice(0, 100))).to.deep.equal(new Set(['one']));
    expect(new Set(values.slice(100))).to.deep.equal(new Set(['two']));
    expect(made).to.deep.equal(['one', 'two']);
  });

  it('C-03 gives the failure of a request to all who wait for it, and asks again afterwards', async () => {
    const store = openStore('memory://');
    const refused = new Error('refused');
    const failing = { accepts: () => true, request: () => Promise.reject(refused) };
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => store.obtain('key', failing)));
    expect(
      outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason === refused),
    ).to.deep.equal([true, true, true]);
    expect((await store.obtain('key', requestOf('token'))).value.reveal()).to.equal('token');
  });

  it('C-04 lets one who waits leave early, and asks anew for the others when the one who asked gives up', async () => {
    const store = openStore('memory://');
    const [asking, leaving] = [new AbortController(), new AbortController()];
    const asked = store.obtain('key', {
      accepts: () => true,
      request: () =>
        new Promise((_, reject) => {
          asking.signal.addEventListener('abort', () => reject(asking.signal.reason as Error));
        }),
      signal: asking.signal,
    });
    const made: string[] = [];
    const left = store.obtain('key', { ...requestOf('left', made), signal: leaving.signal });
    const staying = store.obtain('key', requestOf('staying', made));
    const gone = [asked, left].map((work) => work.catch((error: unknown) => error));
    leaving.abort(new Error('leaving'));
    asking.abort(new Error('closed'));
    expect((await Promise.all(gone)).map(String)).to.deep.equal(['Error: closed', 'Error: leaving']);
    expect((await staying).value.reveal()).to.equal('staying');
    expect(made).to.deep.equal(['staying']);
  });

  it('C-11 keeps apart what only looks alike, and is not confused by names of the language', async () => {
    const pairs = [
      ['memory://a', '__proto__'],
      ['memory://a', 'constructor'],
      ['memory://a"', 'b'],
      ['memory://a', '"b'],
      ['memory://a:b', 'c'],
      ['memory://a', 'b:c'],
      ['memory://a|b', 'c'],
      ['memory://a', 'b|c'],
      ['memory://__proto__', ''],
    ] as const;
    for (const [location, key] of pairs) expect(openStore(location).get(key)).to.equal(undefined);
    for (const [location, key] of pairs)
      await openStore(location).obtain(key, requestOf(`${location} ${key}`));
    for (const [location, key] of pairs)
      expect(openStore(location).get(key)?.value.reveal()).to.equal(`${location} ${key}`);
  });

  it('C-13 holds a bounded number of tokens; those used last stay', async () => {
    const store = openStore('memory://');
    const configurations = 2 * MOST_TOKENS;
    for (let number = 0; number < configurations; number += 1) {
      await store.obtain(`key ${String(number)}`, requestOf('token'));
      expect(store.get('key 0'), `after ${String(number)}`).not.to.equal(undefined);
    }
    const kept = Array.from({ length: configurations }, (_, number) => store.get(`key ${String(number)}`));
    expect(kept.filter(Boolean).length).to.be.within(0.9 * MOST_TOKENS, MOST_TOKENS);
    expect(kept.at(-1)).not.to.equal(undefined);
    expect(kept[1]).to.equal(undefined);
  });

  it('keeps a token whatever its age: its reader knows the clock', async () => {
    const store = openStore('memory://');
    for (const lifetimeMs of [0, 1, Number.MAX_SAFE_INTEGER])
      await store.obtain(`key ${String(lifetimeMs)}`, {
        accepts: () => true,
        request: async () => ({ token: tokenOf('token', clock, lifetimeMs) }),
      });
    expect(store.get('key 0')).not.to.equal(undefined);
    expect(store.get(`key ${String(Number.MAX_SAFE_INTEGER)}`)).not.to.equal(undefined);
  });

  for (const location of ['', 'redis://cache', 'registry://%DSN%', 'file:///tmp/token'])
    it(`refuses the location "${location}", which is no place that it knows`, () =>
      failure(() => openStore(location), 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID'));
});

describe('key material of a token file', () => {
  const secretOf = (length: number) =>
    ({ kind: 'secret', secret: new Secret('s'.repeat(length)), placement: 'POST' }) as const;
  const certificate = {
    kind: 'certificate',
    signer: { entry: { privateKey: service.key, certificate: service.certificate } },
  } as unknown as Parameters<typeof keyMaterialOf>[0];

  it('is a client secret of 32 characters or more', () => {
    expect(String(keyMaterialOf(secretOf(32)))).to.equal('s'.repeat(32));
    expect(keyMaterialOf(secretOf(31))).to.equal(undefined);
  });

  it('is the private key of a certificate as PKCS#8', () => {
    expect(keyMaterialOf(certificate)).to.deep.equal(service.key.export({ type: 'pkcs8', format: 'der' }));
  });
});
