import { expect } from 'chai';
import { type KeyStoreType, loadKeyStore } from '#src/auth/key-store/index.js';
import { failureOf, fixture, fixturePath, service } from './stores.js';

const keyPem = fixture('key-only.pem').toString();
const certificatePem = fixture('certificate-only.pem').toString();
const chainPem = fixture('chain.p7b.pem').toString();
const CHAIN = ['CN=pg-entra service', 'CN=ACME issuing', 'CN=ACME root'];

describe('key store: PKCS#7', () => {
  async function expectChain(store: string | Buffer, type?: KeyStoreType) {
    const { privateKey, certificate, chain } = await loadKeyStore(store, { type });
    expect(privateKey.equals(service.key)).to.equal(true);
    expect(certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    expect(chain.map(({ subject }) => /^CN=.*$/m.exec(subject)?.[0])).to.deep.equal(CHAIN);
  }

  for (const type of ['P7BFILE', 'PEMKEY_FILE', 'AUTO'] as const) {
    it(`K-15 ${type} takes the chain from PKCS#7 beside the key`, async () => {
      await expectChain(fixturePath('p7b-with-key.pem'), type);
      await expectChain(fixturePath('p7b-certificate-key.pem'), type);
    });
  }

  it('K-15 reads key, certificate and PKCS#7 in any order', async () => {
    const blocks = [keyPem, certificatePem, chainPem];
    for (const [a, b, c] of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ] as const) {
      await expectChain(blocks[a]! + blocks[b]! + blocks[c]!, 'PEMKEY_BLOB');
    }
  });

  it('K-17 P7BBLOB takes base64 and one-line text', async () => {
    const store = fixture('p7b-with-key.pem');
    await expectChain(store.toString('base64'), 'P7BBLOB');
    await expectChain(store.toString().replaceAll('\n', '\\n'), 'P7BBLOB');
  });

  it('reads the labels that other programs write', async () => {
    for (const label of ['PKCS #7 SIGNED DATA', 'CMS']) {
      await expectChain(keyPem + chainPem.replaceAll('PKCS7', label));
    }
  });

  it('K-10 says of a bare P7B that it has no key, and what to put beside it', async () => {
    const der = fixture('chain.p7b');
    for (const store of [chainPem, der, der.toString('base64')]) {
      for (const type of ['P7BBLOB', 'PEMKEY_BLOB', 'AUTO'] as const) {
        const error = await failureOf(loadKeyStore(store, { type }), 'CERTIFICATE_KEY_MISSING');
        expect(error.cure).to.contain('P7B').and.to.contain('private key into one PEM file');
      }
    }
  });

  it('K-24 refuses damaged and hostile PKCS#7', async () => {
    const der = fixture('chain.p7b');
    const pemOf = (bytes: Buffer) =>
      `-----BEGIN PKCS7-----\n${bytes.toString('base64')}\n-----END PKCS7-----\n`;
    const enveloped = Buffer.from(der);
    enveloped[enveloped.indexOf(Buffer.from('2a864886f70d010702', 'hex')) + 8] = 3;
    const certificate = Buffer.from(der);
    certificate[certificate.indexOf(service.certificate.raw) + 10]! ^= 0x10; // the tag of its version
    for (const [contents, reason] of [
      [der.subarray(0, 900), 'ASN.1 structure'],
      [enveloped, 'PKCS#7 of the type 1.2.840.113549.1.7.3'],
      [certificate, 'one of its certificates is damaged'],
    ] as const) {
      const loading = loadKeyStore(keyPem + pemOf(contents));
      expect((await failureOf(loading, 'CERTIFICATE_UNREADABLE')).message).to.contain(reason);
    }
    const many = keyPem + chainPem.repeat(86);
    const { message } = await failureOf(loadKeyStore(many), 'CERTIFICATE_UNREADABLE');
    expect(message).to.contain('more than 256 certificates');
  });
});
