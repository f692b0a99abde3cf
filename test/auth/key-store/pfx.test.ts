import { createHmac, X509Certificate } from 'node:crypto';
import { PFX } from '@peculiar/asn1-pfx';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { expect } from 'chai';
import forge from 'node-forge';
import { loadKeyStore, thumbprintForJwt } from '#src/auth/key-store/index.js';
import { derivePkcs12, PURPOSE } from '#src/auth/key-store/pkcs12-kdf.js';
import { rc2Cipher } from '#src/auth/key-store/block-ciphers.js';
import { WorkBudget } from '#src/auth/key-store/work-budget.js';
import { Secret } from '#src/settings/secret.js';
import {
  asBer,
  asBerThroughout,
  certificateBag,
  keyBag,
  nested,
  pfxOf,
  withMac,
  withPbmac1,
} from './pfx-writer.js';
import { failureOf, fixture, PASSWORD, service } from './stores.js';

const pkcs8 = service.key.export({ type: 'pkcs8', format: 'der' });

function encryptedPkcs8(name: string): Buffer {
  const pem = fixture(name).toString();
  return Buffer.from(/ENCRYPTED PRIVATE KEY-----([^-]+)/.exec(pem)?.[1] ?? '', 'base64');
}

describe('key store: PKCS#12', () => {
  async function expectService(store: Buffer, password?: string | Secret, keyPassword?: string) {
    const entry = await loadKeyStore(store, { type: 'PFXBLOB', password, keyPassword });
    expect(entry.privateKey.equals(service.key)).to.equal(true);
    expect(entry.certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    return entry;
  }

  it('K-01 reads AES-256 with PBKDF2-SHA256: key, certificate, alias and thumbprints', async () => {
    const entry = await expectService(fixture('aes256.pfx'), PASSWORD);
    expect(entry.alias).to.equal('service');
    expect(entry.chain.map(({ fingerprint256 }) => fingerprint256)).to.deep.equal([
      service.certificate.fingerprint256,
    ]);
    expect(entry.thumbprintSha1).to.match(/^[0-9A-F]{40}$/);
    expect(entry.thumbprintSha256).to.match(/^[0-9A-F]{64}$/);
  });

  it('K-01 orders the chain from the leaf to the root', async () => {
    const { chain } = await expectService(fixture('aes256-chain.pfx'), PASSWORD);
    expect(chain.map(({ subject }) => /CN=(.*)/.exec(subject)?.[1])).to.deep.equal([
      'pg-entra service',
      'ACME issuing',
      'ACME root',
    ]);
  });

  it('K-27 gives thumbprints in the form of JWT headers', async () => {
    const { certificate, thumbprintSha1, thumbprintSha256 } = await expectService(
      fixture('aes256.pfx'),
      PASSWORD,
    );
    const digest = (name: string) => crypto.subtle.digest(name, Uint8Array.from(certificate.raw));
    const expected = async (name: string) => Buffer.from(await digest(name)).toString('base64url');
    expect(thumbprintForJwt(thumbprintSha1)).to.equal(await expected('SHA-1'));
    expect(thumbprintForJwt(thumbprintSha256)).to.equal(await expected('SHA-256'));
  });

  const variants = [
    'aes128.pfx',
    'aes192.pfx',
    'pbes2-3des.pfx',
    'pbes1-3des.pfx',
    'pbes1-2des.pfx',
    'pbes1-3des-no-mac.pfx',
    'aes256-no-mac.pfx',
    'unencrypted.pfx',
    'windows-attributes.pfx',
    'mac-sha1.pfx',
    'mac-sha224.pfx',
    'mac-sha256.pfx',
    'mac-sha384.pfx',
    'mac-sha512.pfx',
  ];
  for (const name of variants) {
    it(`K-02 reads ${name}, and refuses a wrong password`, async () => {
      await expectService(fixture(name), PASSWORD);
      await failureOf(loadKeyStore(fixture(name), { password: 'wrong' }), 'CERTIFICATE_PASSWORD_WRONG');
    });
  }

  it('K-02 reads a store of keytool with two keys and a foreign certificate', async () => {
    const { alias, chain } = await loadKeyStore(fixture('keytool-two-keys.p12'), { password: PASSWORD });
    expect(alias).to.equal('second');
    expect(chain).to.have.lengthOf(1);
  });

  it('K-02 reads keys under scrypt and under each PBKDF2 hash', async () => {
    const names = [
      'scrypt',
      'aes128-hmac-SHA1',
      'aes128-hmac-SHA224',
      'aes128-hmac-SHA384',
      'aes128-hmac-SHA512',
    ];
    for (const name of names) {
      const key = keyBag(encryptedPkcs8(`pkcs8-${name}.pem`), 'encrypted');
      await expectService(pfxOf([key, certificateBag(service.certificate.raw)]), PASSWORD);
    }
  });

  it('K-02 reads BER: indefinite lengths and content in segments, also nested ones', async () => {
    for (const name of ['mac-sha256.pfx', 'pbes1-3des.pfx']) {
      await expectService(asBer(fixture(name), 1000), PASSWORD);
      await expectService(asBer(fixture(name), 900, 3), PASSWORD);
    }
  });

  it('K-02 reads BER: indefinite lengths and segments around and in the encrypted parts', async () => {
    for (const name of ['aes256-no-mac.pfx', 'pbes1-3des-no-mac.pfx']) {
      await expectService(asBerThroughout(fixture(name)), PASSWORD);
    }
  });

  for (const name of ['legacy-rc2-40.pfx', 'rc2-40.pfx', 'rc2-128.pfx', 'pbes2-rc2.pfx']) {
    it(`K-03 reads ${name}, and refuses a wrong password`, async () => {
      await expectService(fixture(name), PASSWORD);
      await failureOf(loadKeyStore(fixture(name), { password: 'wrong' }), 'CERTIFICATE_PASSWORD_WRONG');
    });
  }

  it('K-03 decrypts RC2 in pieces as in one', async () => {
    const key = Buffer.from('0123456789abcdef', 'hex');
    const iv = Buffer.from('fedcba9876543210', 'hex');
    const plaintext = Buffer.alloc(40_000, 'RC2 ');
    const cipher = forge.rc2.createEncryptionCipher(key.toString('latin1'), 64);
    cipher.start(iv.toString('latin1'));
    cipher.update(forge.util.createBuffer(plaintext.toString('latin1')));
    cipher.finish();
    const ciphertext = Buffer.from(cipher.output.getBytes(), 'latin1');
    const budget = new WorkBudget();
    expect(await rc2Cipher(8).decrypt(ciphertext, { key, iv }, budget)).to.deep.equal(plaintext);
    for (const damaged of [ciphertext.subarray(8), ciphertext.subarray(0, -8), ciphertext.subarray(1)]) {
      const decrypting = rc2Cipher(8).decrypt(damaged, { key: Buffer.alloc(8), iv }, budget);
      await failureOf(decrypting, 'CERTIFICATE_PASSWORD_WRONG');
    }
  });

  it('K-02 names RC4 and MD5 and how to convert the store', async () => {
    for (const [name, word] of [
      ['rc4-128.pfx', 'RC4-128'],
      ['mac-md5.pfx', 'MD5'],
    ] as const) {
      const loading = loadKeyStore(fixture(name), { password: PASSWORD });
      const { message } = await failureOf(loading, 'CERTIFICATE_UNREADABLE');
      expect(message).to.contain(word).and.to.contain('openssl pkcs12 -legacy');
    }
  });

  it('K-04 takes a store without encryption and MAC only when no password is set', async () => {
    await expectService(fixture('unencrypted-no-mac.pfx'));
    const loading = loadKeyStore(fixture('unencrypted-no-mac.pfx'), { password: PASSWORD });
    expect((await failureOf(loading, 'CERTIFICATE_UNREADABLE')).message).to.contain(
      'remove OAuthJWTCertPassword',
    );
  });

  // RFC 9579 appendix A, whose certificate has expired by now.
  const during2023 = { password: '1234', now: () => Date.parse('2023-06-01T00:00:00Z') };
  for (const name of ['rfc9579-a1.pfx', 'rfc9579-a2.pfx', 'rfc9579-a3.pfx']) {
    it(`K-05 reads PBMAC1: ${name}`, async () => {
      const { certificate } = await loadKeyStore(fixture(name), during2023);
      expect(certificate.subject).to.contain('CN=tt');
      const wrong = loadKeyStore(fixture(name), { ...during2023, password: '12345' });
      await failureOf(wrong, 'CERTIFICATE_PASSWORD_WRONG');
    });
  }

  it('K-05 refuses PBMAC1 of another count, of another salt, and of a key of unknown length', async () => {
    for (const name of ['rfc9579-a4.pfx', 'rfc9579-a5.pfx']) {
      await failureOf(loadKeyStore(fixture(name), during2023), 'CERTIFICATE_PASSWORD_WRONG');
    }
    const noLength = loadKeyStore(fixture('rfc9579-a6.pfx'), during2023);
    expect((await failureOf(noLength, 'CERTIFICATE_UNREADABLE')).message).to.contain('PBMAC1');
  });

  it('K-05 reads PBMAC1 of 20 to 64 bytes only, and of each HMAC', async () => {
    for (const keyLength of [20, 64]) {
      await expectService(withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, { keyLength }), PASSWORD);
    }
    for (const hash of ['sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-256'] as const) {
      await expectService(withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, { hash }), PASSWORD);
    }
    for (const keyLength of [-1, 0, 1, 19, 65, 2 ** 31]) {
      const store = withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, { keyLength });
      await failureOf(loadKeyStore(store, { password: PASSWORD }), 'CERTIFICATE_UNREADABLE');
    }
  });

  it('K-05 refuses a PBMAC1 that is cut off, or of another derivation or HMAC', async () => {
    const cut = withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, { macBytes: 1 });
    await failureOf(loadKeyStore(cut, { password: PASSWORD }), 'CERTIFICATE_PASSWORD_WRONG');
    for (const change of [{ derivation: '1.3.6.1.4.1.11591.4.11' }, { scheme: '1.2.840.113549.2.6' }]) {
      const store = withPbmac1(fixture('mac-sha256.pfx'), PASSWORD, change);
      await failureOf(loadKeyStore(store, { password: PASSWORD }), 'CERTIFICATE_UNREADABLE');
    }
  });

  it('K-06 opens a store of the empty password, given or not', async () => {
    await expectService(fixture('empty-password.pfx'));
    await expectService(fixture('empty-password.pfx'), '');
    await failureOf(
      loadKeyStore(fixture('empty-password.pfx'), { password: 'x' }),
      'CERTIFICATE_PASSWORD_WRONG',
    );
  });

  it('K-06 opens a store whose empty password was no bytes at all', async () => {
    const store = fixture('unencrypted.pfx');
    const content = AsnConvert.parse(AsnConvert.parse(store, PFX).authSafe.content, OctetString).buffer;
    const iterations = 2;
    const salt = Buffer.from('saltsalt');
    const given = {
      hash: 'sha256',
      password: Buffer.alloc(0),
      salt,
      iterations,
      purpose: PURPOSE.mac,
    } as const;
    const key = await derivePkcs12({ ...given, length: 32 }, new WorkBudget());
    const digest = createHmac('sha256', key).update(Buffer.from(content)).digest();
    const resealed = withMac(store, (mac) => {
      mac.mac.digest.buffer = Uint8Array.from(digest).buffer;
      mac.macSalt.buffer = Uint8Array.from(salt).buffer;
      mac.iterations = iterations;
    });
    await expectService(resealed);
    await failureOf(loadKeyStore(resealed, { password: 'x' }), 'CERTIFICATE_PASSWORD_WRONG');
  });

  it('K-07 says the same of a wrong password and of a damaged MAC', async () => {
    const damaged = withMac(fixture('mac-sha256.pfx'), ({ mac }) => {
      new Uint8Array(mac.digest.buffer)[0]! ^= 1;
    });
    const wrong = loadKeyStore(fixture('mac-sha256.pfx'), { password: 'wrong' });
    const one = await failureOf(wrong, 'CERTIFICATE_PASSWORD_WRONG');
    const other = await failureOf(
      loadKeyStore(damaged, { password: PASSWORD }),
      'CERTIFICATE_PASSWORD_WRONG',
    );
    expect(JSON.stringify(one)).to.equal(JSON.stringify(other));
  });

  it('K-07 misses the password of an encrypted store', async () => {
    for (const name of ['aes256.pfx', 'pbes1-3des.pfx', 'pbes1-3des-no-mac.pfx', 'aes256-no-mac.pfx']) {
      await failureOf(loadKeyStore(fixture(name)), 'CERTIFICATE_PASSWORD_MISSING');
    }
  });

  it('K-08 takes passwords outside of ASCII, long ones and Secret', async () => {
    await expectService(fixture('unicode-password.pfx'), 'Grüße €uro 🔑');
    await expectService(fixture('long-password.pfx'), 'x'.repeat(150));
    await expectService(fixture('aes256.pfx'), new Secret(PASSWORD));
  });

  it('K-08 does not end a password at U+0000', async () => {
    for (const name of ['aes256.pfx', 'pbes1-3des.pfx', 'pbes1-3des-no-mac.pfx']) {
      const loading = loadKeyStore(fixture(name), { password: `${PASSWORD}\0more` });
      await failureOf(loading, 'CERTIFICATE_PASSWORD_WRONG');
    }
  });

  it('takes another password for the key', async () => {
    const key = keyBag(encryptedPkcs8('pkcs8-aes256.pem'), 'encrypted');
    const store = pfxOf([key, certificateBag(service.certificate.raw)]);
    await expectService(store, 'of the store', PASSWORD);
    await failureOf(
      loadKeyStore(store, { password: PASSWORD, keyPassword: 'wrong' }),
      'CERTIFICATE_PASSWORD_WRONG',
    );
  });

  it('K-10 misses the certificate, the key', async () => {
    await failureOf(loadKeyStore(fixture('key-only.pfx'), { password: PASSWORD }), 'CERTIFICATE_MISSING');
    await failureOf(
      loadKeyStore(fixture('certificate-only.pfx'), { password: PASSWORD }),
      'CERTIFICATE_KEY_MISSING',
    );
    await failureOf(loadKeyStore(fixture('certificate.der')), 'CERTIFICATE_KEY_MISSING');
  });

  it('K-11 refuses a certificate of another key', async () => {
    const other = new X509Certificate(
      fixture('rsa-8192.pem')
        .toString()
        .replace(/^[^]*?(?=-----BEGIN CERT)/, ''),
    );
    const store = pfxOf([keyBag(pkcs8), certificateBag(other.raw)]);
    await failureOf(loadKeyStore(store), 'CERTIFICATE_KEY_MISMATCH');
  });

  it('reads bags in bags, to a depth', async () => {
    const bags = [keyBag(pkcs8), certificateBag(service.certificate.raw)];
    await expectService(pfxOf(nested(bags, 3)));
    await failureOf(loadKeyStore(pfxOf(nested(bags, 20))), 'CERTIFICATE_UNREADABLE');
  });

  it('names a key algorithm that Node.js does not know', async () => {
    // The object identifier 1.2.840.113549.1.1.1 with another last arc.
    const strange = Buffer.from(pkcs8);
    strange[strange.indexOf(Buffer.from('2a864886f70d010101', 'hex')) + 8] = 0x63;
    const loading = loadKeyStore(pfxOf([keyBag(strange), certificateBag(service.certificate.raw)]));
    expect((await failureOf(loading, 'CERTIFICATE_KEY_UNSUITABLE')).message).to.contain(
      '1.2.840.113549.1.1.99',
    );
  });
});
