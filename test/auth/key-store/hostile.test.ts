import { sign, verify } from 'node:crypto';
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
import { isConnectorError } from '#src/errors.js';
import { certificateBag, keyBag, pfxOf, withMac } from './pfx-writer.js';
import { failureOf, fixture, longestStall, PASSWORD, service } from './stores.js';

const password = PASSWORD;
const keyDer = service.key.export({ type: 'pkcs8', format: 'der' });

function pemKey(pkcs8: Buffer, label = 'PRIVATE KEY'): string {
  return `-----BEGIN ${label}-----\n${pkcs8.toString('base64')}\n-----END ${label}-----\n`;
}

const certificatePem = service.certificate.toString();

/** True when `store` gives the right key; false when it gives an error of ours. Nothing else may happen. */
async function opens(store: Buffer, withPassword?: string): Promise<boolean> {
  try {
    const { privateKey } = await loadKeyStore(store, { password: withPassword });
    if (privateKey.export({ type: 'pkcs8', format: 'der' }).equals(keyDer)) return true;
    // A flip in a part that signing does not use leaves a key that still is the right one.
    const signature = sign('sha256', store, privateKey);
    expect(verify('sha256', store, service.certificate.publicKey, signature), 'a wrong key').to.equal(true);
    return true;
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    expect(error.type, error.message).to.equal('POSTGRESQL:SETTINGS');
    expect(error.code).not.to.equal('INTERNAL');
    return false;
  }
}

function flipped(store: Buffer, bit: number): Buffer {
  const copy = Buffer.from(store);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

// A prime step meets every part of the store and every bit of a byte.
function bitsOf(store: Buffer, step: number): number[] {
  return Array.from({ length: Math.floor((store.length * 8) / step) }, (_, index) => index * step);
}

describe('key store: damage', function () {
  this.timeout(20_000);

  const truncated: [name: string, password: string | undefined][] = [
    ['mac-sha256.pfx', password],
    ['unencrypted-no-mac.pfx', undefined],
    ['pkcs8.pem', undefined],
    ['traditional-aes256.pem', password],
  ];
  for (const [name, secret] of truncated) {
    it(`K-23 every truncation of ${name}`, async () => {
      const whole = fixture(name);
      const opened: number[] = [];
      for (let length = 0; length < whole.length; length++) {
        if (await opens(whole.subarray(0, length), secret)) opened.push(length);
      }
      // Only the line break at the end of a PEM file may go.
      expect(opened).to.deep.equal(name.endsWith('.pem') ? [whole.length - 1] : []);
    });
  }

  const damaged: [name: string, password: string | undefined, step: number][] = [
    ['mac-sha256.pfx', password, 29],
    ['pbes1-3des-no-mac.pfx', password, 197],
    ['aes256-no-mac.pfx', password, 197],
    ['unencrypted-no-mac.pfx', undefined, 97],
    ['pkcs8.pem', undefined, 97],
  ];
  for (const [name, secret, step] of damaged) {
    it(`K-22 a flipped bit of ${name} never gives a wrong key`, async () => {
      const whole = fixture(name);
      for (const bit of bitsOf(whole, step)) await opens(flipped(whole, bit), secret);
    });
  }

  it('K-22 a flipped bit of a store with a MAC is never read over in its content', async () => {
    const whole = fixture('mac-sha256.pfx');
    const content = whole.subarray(100, whole.length - 120);
    for (const bit of bitsOf(content, 101))
      expect(await opens(flipped(whole, 800 + bit), password)).to.equal(false);
  });

  it('K-22 a flipped bit of a plain key never gives a wrong key', async () => {
    for (const bit of bitsOf(keyDer, 61)) {
      await opens(Buffer.from(pemKey(flipped(keyDer, bit)) + certificatePem));
    }
  });
});

// What else runs on this machine takes time and stalls the loop too: the best of three attempts counts.
describe('key store: limits', function () {
  this.retries(2);

  const TOO_MANY = 2 ** 31;

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
      expect(stall).to.be.below(300);
    });
  }

  it('a derivation of 600,000 iterations does not stall the event loop', async () => {
    const stall = await longestStall(() => loadKeyStore(fixture('aes256-600000.pfx'), { password }));
    expect(stall).to.be.below(150);
  });

  it('256 certificates and 32 keys do not stall the event loop', async () => {
    const store = (pemKey(keyDer) + certificatePem.repeat(8)).repeat(32);
    const stall = await longestStall(() => loadKeyStore(store));
    expect(stall).to.be.below(300);
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
