import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { expect } from 'chai';
import {
  Pbes2Parameters,
  Pbkdf2Parameters,
  Pkcs12PbeParameters,
  ScryptParameters,
} from '#src/auth/key-store/asn1-structures.js';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { WorkBudget } from '#src/auth/key-store/work-budget.js';
import { fateOf, WHOLE_STORES } from './damage.js';
import { certificateBag, keyBag, pfxOf, withMac } from './pfx-writer.js';
import { failureOf, fixture, longestStall, PASSWORD, service } from './stores.js';

const password = PASSWORD;
const keyDer = service.key.export({ type: 'pkcs8', format: 'der' });

function pemKey(pkcs8: Buffer, label = 'PRIVATE KEY'): string {
  return `-----BEGIN ${label}-----\n${pkcs8.toString('base64')}\n-----END ${label}-----\n`;
}

const certificatePem = service.certificate.toString();

describe('key store: damage', function () {
  this.timeout(20_000);

  // Primes, so that the sample meets every part of a store and every bit of a byte. npm run fuzz:keystores takes all.
  const FLIP_STEP = 419;
  const CUT_STEP = 53;

  for (const store of WHOLE_STORES) {
    const { contents, name } = store;
    const flips = contents.length * 8;

    it(`K-22 flipped bits of ${name} never give another key`, async () => {
      for (let bit = 0; bit < flips; bit += FLIP_STEP) await fateOf(store, bit);
    });

    it(`K-23 truncations of ${name} are refused`, async () => {
      for (let length = 0; length < contents.length - 2; length += CUT_STEP) {
        expect(await fateOf(store, flips + length)).not.to.equal('opened');
      }
    });
  }

  it('K-22 a flipped bit of a store with a MAC or a digest is never read over in its content', async () => {
    for (const store of WHOLE_STORES.filter(({ name }) => /^(?:mac|pbm|rc2|service)/.test(name))) {
      const end = (store.contents.length - 120) * 8;
      for (let bit = 800; bit < end; bit += 997) expect(await fateOf(store, bit)).not.to.equal('opened');
    }
  });

  it('K-22 a flipped bit of a plain key never gives another key', async () => {
    for (let bit = 0; bit < keyDer.length * 8; bit += 61) {
      const flipped = Buffer.from(keyDer);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const contents = Buffer.from(pemKey(flipped) + certificatePem);
      const fate = await fateOf({ name: 'plain key', contents, password: undefined }, contents.length * 9);
      expect(fate).not.to.equal('INTERNAL');
    }
  });
});

// What else runs on this machine takes time and stalls the loop too: the best of three attempts counts.
describe('key store: limits', function () {
  this.retries(2);

  const TOO_MANY = 2 ** 31;
  const MAX_STALL_MS = 100;

  // The first load of a format loads its libraries, which takes its time once.
  before(() => Promise.all(WHOLE_STORES.map((store) => fateOf(store, store.contents.length * 9))));

  /** A PEM store whose key claims to be encrypted in this way. */
  function encryptedWith(algorithm: string, parameters: object): string {
    const info = new EncryptedPrivateKeyInfo({
      encryptionAlgorithm: new AlgorithmIdentifier({
        algorithm,
        parameters: AsnConvert.serialize(parameters),
      }),
    });
    info.encryptedData.buffer = new ArrayBuffer(1232);
    return pemKey(Buffer.from(AsnConvert.serialize(info)), 'ENCRYPTED PRIVATE KEY') + certificatePem;
  }

  function pbes2(derivation: string, parameters: object): string {
    const outer = new Pbes2Parameters();
    outer.keyDerivationFunc = new AlgorithmIdentifier({
      algorithm: derivation,
      parameters: AsnConvert.serialize(parameters),
    });
    outer.encryptionScheme = new AlgorithmIdentifier({
      algorithm: '2.16.840.1.101.3.4.1.42',
      parameters: AsnConvert.serialize(new OctetString(new ArrayBuffer(16))),
    });
    return encryptedWith('1.2.840.113549.1.5.13', outer);
  }

  const pbkdf2 = (fields: Partial<Pbkdf2Parameters>) =>
    pbes2('1.2.840.113549.1.5.12', Object.assign(new Pbkdf2Parameters(), { iterationCount: 1 }, fields));

  const scrypt = (costParameter: number, blockSize: number, parallelizationParameter: number) =>
    pbes2(
      '1.3.6.1.4.1.11591.4.11',
      Object.assign(new ScryptParameters(), { costParameter, blockSize, parallelizationParameter }),
    );

  const pbes1 = (iterations: number) =>
    encryptedWith('1.2.840.113549.1.12.1.3', Object.assign(new Pkcs12PbeParameters(), { iterations }));

  const stores: Record<string, () => string | Buffer> = {
    '2^31 iterations of the MAC': () =>
      withMac(fixture('mac-sha256.pfx'), (mac) => Object.assign(mac, { iterations: TOO_MANY })),
    'more than 10,000,000 iterations in all': () =>
      fixture('pkcs8-aes256.pem').toString() +
      pbkdf2({ iterationCount: 1e7, prf: new AlgorithmIdentifier({ algorithm: '1.2.840.113549.2.9' }) }),
    'no iterations of the MAC': () =>
      withMac(fixture('mac-sha256.pfx'), (mac) => Object.assign(mac, { iterations: 0 })),
    '2^31 iterations of PBKDF2': () => pbkdf2({ iterationCount: TOO_MANY }),
    '2^31 iterations of PBES1': () => pbes1(TOO_MANY),
    'iterations below zero': () => pbes1(-1),
    'a PBKDF2 key of 2^31 bytes': () => pbkdf2({ keyLength: TOO_MANY }),
    'an unknown hash of PBKDF2': () => pbkdf2({ prf: new AlgorithmIdentifier({ algorithm: '1.2.3' }) }),
    'scrypt of 32 GB': () => scrypt(2 ** 25, 8, 1),
    'scrypt with a block size of 2^24': () => scrypt(2, 2 ** 24, 1),
    'scrypt run 2^30 times': () => scrypt(16384, 8, 2 ** 30),
    'scrypt with a cost that is no power of two': () => scrypt(1000, 8, 1),
    'an unknown derivation': () => pbes2('1.2.3.4', new Pkcs12PbeParameters()),
    'ASN.1 nested 10^5 deep': () =>
      Buffer.concat([Buffer.from('3080'.repeat(1e5), 'hex'), Buffer.alloc(2e5)]),
    'ASN.1 nested 10^5 deep, with lengths': () => nestedWithLengths(1e5),
    'a length of 4 GB': () => Buffer.concat([Buffer.from('3084ffffffff', 'hex'), Buffer.alloc(500)]),
    'a length of 2^64': () => Buffer.concat([Buffer.from('3088ffffffffffffffff', 'hex'), Buffer.alloc(500)]),
    'half a million values': () =>
      Buffer.concat([Buffer.from('3080', 'hex'), Buffer.alloc(9e5, '0500', 'hex')]),
    '33 keys': () => (pemKey(keyDer) + certificatePem).repeat(33),
    '33 keys in a PFX': () => pfxOf(Array.from({ length: 33 }, () => keyBag(keyDer))),
    '257 certificates': () => pemKey(keyDer) + certificatePem.repeat(257),
    '257 certificates in a PFX': () =>
      pfxOf([keyBag(keyDer), ...Array.from({ length: 257 }, () => certificateBag(service.certificate.raw))]),
    '50,000 lines that begin a block': () => '-----BEGIN PRIVATE KEY'.repeat(4e4),
    '50,000 blocks without end': () => '-----BEGIN A-----\n'.repeat(5e4),
    'a very long header': () => `-----BEGIN A-----\na:${' '.repeat(9e5)}x\n-----END A-----\n`,
  };
  for (const [name, store] of Object.entries(stores)) {
    it(`K-24 refuses ${name} within a second`, async () => {
      const started = performance.now();
      const contents = store();
      const built = performance.now() - started;
      const stall = await longestStall(() =>
        failureOf(loadKeyStore(contents, { password }), 'CERTIFICATE_UNREADABLE'),
      );
      expect(performance.now() - started - built).to.be.below(1000);
      expect(stall).to.be.below(MAX_STALL_MS);
    });
  }

  it('a derivation of 600,000 iterations does not stall the event loop', async () => {
    const stall = await longestStall(() => loadKeyStore(fixture('aes256-600000.pfx'), { password }));
    expect(stall).to.be.below(MAX_STALL_MS);
  });

  it('K-24 gives what derivations ask for from one budget', () => {
    const budget = new WorkBudget();
    budget.spend(9_999_999);
    expect(budget.spent).to.equal(9_999_999);
    expect(() => budget.spend(2)).to.throw('more than 10000000 iterations in all');
    budget.spend(1);
  });

  it('256 certificates and 32 keys do not stall the event loop', async () => {
    const store = (pemKey(keyDer) + certificatePem.repeat(8)).repeat(32);
    const stall = await longestStall(() => loadKeyStore(store));
    expect(stall).to.be.below(MAX_STALL_MS);
  });

  function nestedWithLengths(depth: number): Buffer {
    const bytes = Buffer.alloc(depth * 6);
    for (let level = 0; level < depth; level++) {
      bytes.writeUInt16BE(0x3084, level * 6);
      bytes.writeUInt32BE((depth - level - 1) * 6, level * 6 + 2);
    }
    return bytes;
  }
});
