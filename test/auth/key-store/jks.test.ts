import { expect } from 'chai';
import { isConnectorError } from '#src/errors.js';
import { Pkcs12PbeParameters } from '#src/auth/key-store/asn1-structures.js';
import { type KeyStoreOptions, loadKeyStore } from '#src/auth/key-store/index.js';
import {
  encryptedKeyInfo,
  int,
  javaStore,
  keyEntry,
  MAGIC,
  protectedKey,
  resealed,
  trustedEntry,
} from './jks-writer.js';
import { failureOf, fixture, longestStall, PASSWORD, service } from './stores.js';

const KEY_PASSWORD = 'another horse';
const UNICODE_PASSWORD = 'Grüße €uro 🔑';
const der = service.certificate.raw;
const pkcs8 = service.key.export({ type: 'pkcs8', format: 'der' });

describe('key store: JKS and JCEKS', () => {
  async function expectService(store: Buffer, options: KeyStoreOptions) {
    const entry = await loadKeyStore(store, { type: 'JKSBLOB', ...options });
    expect(entry.privateKey.equals(service.key)).to.equal(true);
    expect(entry.certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    return entry;
  }

  for (const kind of ['jks', 'jceks']) {
    const store = fixture(`service.${kind}`);
    const separate = fixture(`key-password.${kind}`);

    it(`K-18 K-20 reads ${kind} of keytool: key, chain, alias`, async () => {
      const { alias, chain, notes } = await expectService(store, { password: PASSWORD });
      expect(alias).to.equal('service');
      expect(chain).to.have.lengthOf(3);
      expect(notes).to.deep.equal([]);
    });

    it(`K-18 refuses a wrong password of ${kind}, and misses an absent one`, async () => {
      await failureOf(loadKeyStore(store, { password: 'wrong' }), 'CERTIFICATE_PASSWORD_WRONG');
      await failureOf(loadKeyStore(store), 'CERTIFICATE_PASSWORD_MISSING');
    });

    it(`K-19 never reads ${kind} without checking its integrity, even when the key could be opened`, () =>
      failureOf(loadKeyStore(store, { keyPassword: PASSWORD }), 'CERTIFICATE_PASSWORD_MISSING').then(
        () => {},
      ));

    it(`K-18 takes another password for the key of ${kind}`, async () => {
      await expectService(separate, { password: PASSWORD, keyPassword: KEY_PASSWORD });
      await failureOf(loadKeyStore(separate, { password: PASSWORD }), 'CERTIFICATE_PASSWORD_WRONG');
      const swapped = { password: KEY_PASSWORD, keyPassword: PASSWORD };
      await failureOf(loadKeyStore(separate, swapped), 'CERTIFICATE_PASSWORD_WRONG');
    });

    it(`K-07 says the same of a wrong password, of a damaged digest and of a damaged key in ${kind}`, async () => {
      const errors = [];
      for (const at of [store.length - 1, 100]) {
        const damaged = Buffer.from(store);
        damaged[at]! ^= 1;
        const loading = loadKeyStore(damaged, { password: PASSWORD });
        errors.push(await failureOf(loading, 'CERTIFICATE_PASSWORD_WRONG'));
      }
      // In the first block of the ciphertext.
      const damagedKey = Buffer.from(store);
      damagedKey[90]! ^= 1;
      for (const [contents, password] of [
        [resealed(damagedKey, PASSWORD), PASSWORD],
        [store, 'wrong'],
      ] as const) {
        const loading = loadKeyStore(contents, { password });
        errors.push(await failureOf(loading, 'CERTIFICATE_PASSWORD_WRONG'));
      }
      expect(new Set(errors.map((error) => JSON.stringify(error)))).to.have.lengthOf(1);
    });
  }

  it('K-18 takes passwords and aliases outside of ASCII', async () => {
    const store = fixture('unicode-password.jks');
    const { alias } = await expectService(store, { password: UNICODE_PASSWORD });
    expect(alias).to.equal('schlüssel 🔑');
    await expectService(store, { password: UNICODE_PASSWORD, subject: 'SCHLÜSSEL 🔑' });
    await failureOf(loadKeyStore(store, { password: 'Gr' }), 'CERTIFICATE_PASSWORD_WRONG');
  });

  it('K-18 reads aliases with U+0000 in the modified UTF-8 of Java', async () => {
    const alias = Buffer.from('61c08062', 'hex');
    const store = javaStore([keyEntry(alias, protectedKey(pkcs8, 'x'), [der])], 'x');
    expect((await expectService(store, { password: 'x' })).alias).to.equal('a\0b');
  });

  it('K-09 K-18 chooses among several entries, and leaves keys of another password locked', async () => {
    const store = fixture('several.jks');
    const options = { password: PASSWORD };
    const first = await loadKeyStore(store, { ...options, subject: 'first' });
    expect(first.alias).to.equal('first');
    expect(first.notes).to.deep.equal([]);
    const any = await loadKeyStore(store, options);
    expect(any.alias).to.equal('first');
    expect(any.notes[0]).to.contain('2 key pairs match').and.to.contain(any.thumbprintSha256);
    expect(any.notes[1]).to.contain('1 more matching entry has a key that the given password does not open');
    const other = { ...options, subject: 'other' };
    await failureOf(loadKeyStore(store, other), 'CERTIFICATE_PASSWORD_WRONG');
    await expectService(store, { ...other, keyPassword: KEY_PASSWORD });
    const ec = loadKeyStore(store, { ...options, subject: 'CN=ec' });
    expect((await failureOf(ec, 'CERTIFICATE_KEY_UNSUITABLE')).message).to.contain('ec (prime256v1)');
  });

  it('K-18 takes the last of several entries with one alias, as Java does', async () => {
    const damaged = keyEntry('same', protectedKey(pkcs8, 'other'), [der]);
    const whole = keyEntry('same', protectedKey(pkcs8, 'x'), [der]);
    const { notes } = await expectService(javaStore([damaged, whole], 'x'), { password: 'x' });
    expect(notes).to.deep.equal([]);
    await failureOf(
      loadKeyStore(javaStore([whole, damaged], 'x'), { password: 'x' }),
      'CERTIFICATE_PASSWORD_WRONG',
    );
  });

  it('K-10 K-18 finds no key in an empty store and in one of trusted certificates', async () => {
    for (const name of ['empty.jks', 'trusted.jks']) {
      const loading = loadKeyStore(fixture(name), { password: PASSWORD });
      await failureOf(loading, 'CERTIFICATE_KEY_MISSING');
    }
  });

  it('K-10 K-18 misses the certificate of a key without chain', async () => {
    const store = javaStore([keyEntry('k', protectedKey(pkcs8, 'x'), [])], 'x');
    await failureOf(loadKeyStore(store, { password: 'x' }), 'CERTIFICATE_MISSING');
  });

  async function fateOf(loading: Promise<unknown>): Promise<string> {
    const error: unknown = await loading.then(
      () => expect.fail('opened'),
      (thrown: unknown) => thrown,
    );
    if (!isConnectorError(error)) throw error;
    return error.code;
  }

  it('K-20 reads past the secret keys of a JCEKS', async () => {
    await expectService(fixture('mixed.jceks'), { password: PASSWORD });
    const secret = fixture('secret-key.jceks').subarray(12, -20);
    const pair = keyEntry('k', protectedKey(pkcs8, 'x'), [der]);
    const entries = [secret, pair, secret];
    await expectService(javaStore(entries, 'x', { magic: MAGIC.jceks }), { password: 'x' });
    const alone = loadKeyStore(fixture('secret-key.jceks'), { password: PASSWORD });
    await failureOf(alone, 'CERTIFICATE_KEY_MISSING');
  });

  it('K-22 K-24 a damaged secret key never gives another key, whatever the digest says', async () => {
    const whole = fixture('secret-key.jceks');
    const fates = new Set<string>();
    for (let at = 12; at < whole.length - 20; at++) {
      for (const mask of [1, 0x80]) {
        const damaged = Buffer.from(whole);
        damaged[at]! ^= mask;
        fates.add(await fateOf(loadKeyStore(resealed(damaged, PASSWORD), { password: PASSWORD })));
      }
    }
    expect([...fates]).to.have.members(['CERTIFICATE_KEY_MISSING', 'CERTIFICATE_UNREADABLE']);
  });

  it('K-19 reads a store of the empty password without one: its digest is checked', async () => {
    const store = javaStore([keyEntry('k', protectedKey(pkcs8, ''), [der])], '');
    await expectService(store, {});
    await failureOf(loadKeyStore(store, { password: 'x' }), 'CERTIFICATE_PASSWORD_WRONG');
  });

  it('K-20 reads a key of JCEKS whose salt has equal halves, as Java derives it', async () => {
    const encrypted = fixture('equal-salt-halves.p8');
    const store = javaStore([keyEntry('k', encrypted, [der])], PASSWORD, { magic: MAGIC.jceks });
    await expectService(store, { password: PASSWORD });
  });

  it('reads version 1, which does not name the kind of its certificates', async () => {
    const entry = keyEntry('k', protectedKey(pkcs8, 'x'), []);
    const chain = Buffer.concat([int(1), int(der.length), der]);
    const store = javaStore([Buffer.concat([entry.subarray(0, -4), chain])], 'x', { version: 1 });
    await expectService(store, { password: 'x' });
  });

  const plain = keyEntry('k', protectedKey(pkcs8, 'x'), [der]);
  const jceksKey = (parameters: Partial<Pkcs12PbeParameters>) => {
    const given = Object.assign(new Pkcs12PbeParameters(), { iterations: 2 ** 31 }, parameters);
    return encryptedKeyInfo('1.3.6.1.4.1.42.2.19.1', Buffer.alloc(64), given);
  };
  const secretEntry = (object: Buffer) => Buffer.concat([int(3), plain.subarray(4, 15), object]);
  // An array of the class "[L", whose elements are what follows.
  const arrayClass = '7200025b4c00000000000000000200007870';
  const arrayOf = (length: number) =>
    Buffer.concat([Buffer.from(`aced000575${arrayClass}`, 'hex'), int(length), Buffer.alloc(1_000, 0x70)]);
  const endlessArrays = () =>
    Buffer.concat([arrayOf(1).subarray(0, -1_000), Buffer.alloc(90_000, `75${arrayClass}00000001`, 'hex')]);
  const hostile: Record<string, () => Buffer> = {
    'a version of 3': () => javaStore([plain], 'x', { version: 3 }),
    'more entries than it holds': () => javaStore([plain], 'x', { count: 2 }),
    '2^31 entries': () => javaStore([plain], 'x', { count: 2 ** 31 - 1 }),
    '2^31 - 1 certificates in a chain': () =>
      javaStore([Buffer.concat([plain.subarray(0, 20), int(2 ** 31 - 1)])], 'x'),
    'an unknown entry': () => javaStore([Buffer.concat([int(9), plain.subarray(4)])], 'x'),
    'a key of a negative length': () => javaStore([Buffer.concat([plain.subarray(0, 15), int(-1)])], 'x'),
    'an alias that is no text': () => javaStore([trustedEntry(Buffer.from('ff', 'hex'), der)], 'x'),
    'a key of 100 kB': () => javaStore([keyEntry('k', protectedKey(Buffer.alloc(1e5), 'x'), [der])], 'x'),
    '33 keys': () =>
      javaStore(
        Array.from({ length: 33 }, (_, index) => keyEntry(`${index}`, protectedKey(pkcs8, 'x'), [])),
        'x',
      ),
    '257 certificates': () =>
      javaStore(
        Array.from({ length: 257 }, (_, index) => trustedEntry(`${index}`, der)),
        'x',
      ),
    'an unknown protection': () =>
      javaStore([keyEntry('k', encryptedKeyInfo('1.2.3.4', Buffer.alloc(64)), [der])], 'x'),
    '2^31 iterations': () => javaStore([keyEntry('k', jceksKey({}), [der])], 'x'),
    'a salt of no bytes': () => javaStore([keyEntry('k', jceksKey({ iterations: 5 }), [der])], 'x'),
    'a secret key of arrays in arrays': () => javaStore([secretEntry(endlessArrays())], 'x'),
    'a secret key of 2^31 - 1 parts': () => javaStore([secretEntry(arrayOf(2 ** 31 - 1))], 'x'),
    'a secret key that is no object': () => javaStore([secretEntry(Buffer.from('aced000578', 'hex'))], 'x'),
    '1,001 entries': () => javaStore([], 'x', { count: 1001 }),
    'a damaged certificate': () =>
      javaStore([keyEntry('k', protectedKey(pkcs8, 'x'), [der.subarray(9)])], 'x'),
  };
  for (const [name, store] of Object.entries(hostile)) {
    it(`K-24 refuses ${name} within a second`, async () => {
      const contents = store();
      const started = performance.now();
      await failureOf(loadKeyStore(contents, { password: 'x' }), 'CERTIFICATE_UNREADABLE');
      expect(performance.now() - started).to.be.below(1000);
    });
  }

  it('K-24 200,000 iterations of JCEKS do not stall the event loop', async function () {
    this.timeout(20_000);
    this.retries(2);
    const store = fixture('iterations-200000.jceks');
    expect(await longestStall(() => expectService(store, { password: PASSWORD }))).to.be.below(100);
  });
});
