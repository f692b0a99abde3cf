import { expect } from 'chai';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { failureOf, fixture, fixturePath, PASSWORD, service } from './stores.js';

const keyPem = fixture('key-only.pem').toString();
const certificatePem = fixture('certificate-only.pem').toString();

describe('key store: PEM', () => {
  async function expectService(store: string | Buffer, password?: string) {
    const entry = await loadKeyStore(store, { type: 'PEMKEY_BLOB', password });
    expect(entry.privateKey.equals(service.key)).to.equal(true);
    expect(entry.certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    return entry;
  }

  const kinds = [
    'pkcs1.pem',
    'pkcs8.pem',
    'pkcs8-aes256.pem',
    'pkcs8-aes128-hmac-SHA1.pem',
    'pkcs8-aes128-hmac-SHA224.pem',
    'pkcs8-aes128-hmac-SHA256.pem',
    'pkcs8-aes128-hmac-SHA384.pem',
    'pkcs8-aes128-hmac-SHA512.pem',
    'pkcs8-3des.pem',
    'pkcs8-scrypt.pem',
    'pkcs8-pbes1-3des.pem',
    'pkcs8-pbes1-2des.pem',
    'traditional-aes256.pem',
    'traditional-des3.pem',
    'traditional-camellia256.pem',
    'pkcs8-md5-des.pem',
    'pkcs8-pbe-MD5-DES.pem',
    'pkcs8-pbe-SHA1-DES.pem',
    'pkcs8-pbe-MD5-RC2-64.pem',
    'pkcs8-pbe-SHA1-RC2-64.pem',
    'pkcs8-pbe-SHA1-RC2-40.pem',
    'pkcs8-pbe-SHA1-RC2-128.pem',
    'pkcs8-rc2.pem',
    'pkcs8-rc2-64-cbc.pem',
    'pkcs8-rc2-40-cbc.pem',
    'pkcs8-des.pem',
    'pkcs8-camellia-256-cbc.pem',
    'pkcs8-aria-128-cbc.pem',
  ];
  for (const name of kinds) {
    it(`K-14 reads ${name}`, async () => {
      await expectService(fixture(name), PASSWORD);
      const encrypted = /ENCRYPTED/.test(fixture(name).toString());
      const wrong = loadKeyStore(fixture(name), { password: 'wrong' });
      await (encrypted ? failureOf(wrong, 'CERTIFICATE_PASSWORD_WRONG') : wrong);
    });
  }

  it('K-14 names an encryption it does not support, and what to do', async () => {
    for (const [name, word] of [
      ['pkcs8-pbe-SHA1-RC4-128.pem', 'RC4-128'],
      ['pkcs8-aes-256-ofb.pem', '2.16.840.1.101.3.4.1.43'],
    ] as const) {
      const loading = loadKeyStore(fixturePath(name), { password: PASSWORD });
      const { message } = await failureOf(loading, 'CERTIFICATE_UNREADABLE');
      expect(message).to.contain(word).and.to.contain('openssl pkcs8');
    }
  });

  it('K-14 names a DEK-Info cipher it does not support', async () => {
    const store = fixture('traditional-des3.pem').toString().replace('DES-EDE3-CBC', 'DES-CBC');
    const loading = loadKeyStore(store, { password: PASSWORD });
    expect((await failureOf(loading, 'CERTIFICATE_UNREADABLE')).message).to.contain('DEK-Info DES-CBC');
  });

  it('K-14 says how to convert an OpenSSH key', async () => {
    const store = keyPem.replaceAll('PRIVATE KEY', 'OPENSSH PRIVATE KEY') + certificatePem;
    expect((await failureOf(loadKeyStore(store), 'CERTIFICATE_UNREADABLE')).message).to.contain(
      'ssh-keygen -p',
    );
  });

  it('K-15 finds key and chain in any order', async () => {
    const entry = await expectService(fixture('root-key-issuing-leaf.pem'));
    expect(
      entry.chain.map(({ subject }) => subject.split('\n').find((part) => part.startsWith('CN='))),
    ).to.deep.equal(['CN=pg-entra service', 'CN=ACME issuing', 'CN=ACME root']);
  });

  const layouts: Record<string, string | Buffer> = {
    'CRLF line ends': (keyPem + certificatePem).replaceAll('\n', '\r\n'),
    'CR line ends': (keyPem + certificatePem).replaceAll('\n', '\r'),
    'no final newline': (certificatePem + keyPem).trimEnd(),
    'leading text': `Subject: of this file\nsee https://example.test/\n${keyPem}${certificatePem}`,
    indentation: (keyPem + certificatePem).replaceAll(/^/gm, '    '),
    'a byte order mark': `\ufeff${keyPem}${certificatePem}`,
    'UTF-16 with a byte order mark': Buffer.from(`\ufeff${keyPem}${certificatePem}`, 'utf16le'),
    'no line breaks at all': (keyPem + certificatePem).replaceAll('\n', ' '),
    'blocks of other kinds': `${keyPem}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n${certificatePem}`,
    'TRUSTED CERTIFICATE': fixture('trusted-certificate.pem'),
    'Bag Attributes': fixture('bag-attributes.pem'),
    'the certificate twice': certificatePem + keyPem + certificatePem,
    'the key twice': keyPem + certificatePem + keyPem,
  };
  for (const [name, store] of Object.entries(layouts)) {
    it(`K-15 reads a file with ${name}`, () => expectService(store));
  }

  it('K-16 reads one line with \\n for line breaks', async () => {
    await expectService((keyPem + certificatePem).replaceAll('\n', '\\n'));
    await expectService((keyPem + certificatePem).replaceAll('\n', '\\r\\n'));
  });

  it('K-16 reads an encrypted traditional key in one line', async () => {
    await expectService(fixture('traditional-aes256.pem').toString().replaceAll('\n', '\\n'), PASSWORD);
  });

  it('K-17 reads the base64 of PEM text', async () => {
    await expectService(Buffer.from(keyPem + certificatePem).toString('base64'));
    await expectService(Buffer.from(keyPem + certificatePem).toString('base64url'));
  });

  for (const name of [
    'pkcs8-aes256.pem',
    'pkcs8-pbes1-3des.pem',
    'pkcs8-scrypt.pem',
    'traditional-aes256.pem',
  ]) {
    it(`K-07 tells a wrong from a missing password: ${name}`, async () => {
      const store = fixture(name);
      await failureOf(loadKeyStore(store, { password: 'wrong' }), 'CERTIFICATE_PASSWORD_WRONG');
      await failureOf(loadKeyStore(store), 'CERTIFICATE_PASSWORD_MISSING');
      await failureOf(loadKeyStore(store, { password: '' }), 'CERTIFICATE_PASSWORD_MISSING');
    });
  }

  it('takes keyPassword for the key when both are given', async () => {
    const store = fixture('pkcs8-aes256.pem');
    const { certificate } = await loadKeyStore(store, { password: 'another', keyPassword: PASSWORD });
    expect(certificate.subject).to.equal(service.certificate.subject);
    await failureOf(
      loadKeyStore(store, { password: PASSWORD, keyPassword: 'wrong' }),
      'CERTIFICATE_PASSWORD_WRONG',
    );
  });

  it('does not need a password for a plain key, and does not mind one', () =>
    expectService(fixture('pkcs8.pem'), 'unused'));

  it('K-10 misses the certificate, the key', async () => {
    await failureOf(loadKeyStore(keyPem), 'CERTIFICATE_MISSING');
    await failureOf(loadKeyStore(certificatePem), 'CERTIFICATE_KEY_MISSING');
  });

  it('K-11 refuses a certificate of another key', () =>
    failureOf(loadKeyStore(fixturePath('key-of-another-certificate.pem')), 'CERTIFICATE_KEY_MISMATCH').then(
      () => {},
    ));

  it('refuses damaged blocks with their reason', async () => {
    const damaged: [string, string][] = [
      [
        keyPem + certificatePem.replace('-----END CERTIFICATE-----', ''),
        'ends inside of a CERTIFICATE block',
      ],
      [keyPem + certificatePem.replace('MII', 'M?I'), 'a CERTIFICATE block of the PEM text is not base64'],
      [keyPem + certificatePem.replace('MII', 'MIX'), 'one of its certificates is damaged'],
      [keyPem.replace('MII', 'MIX') + certificatePem, 'its private key is damaged'],
      [`${keyPem}-----BEGIN nonsense`, 'a BEGIN line of the PEM text is damaged'],
    ];
    for (const [store, reason] of damaged) {
      expect((await failureOf(loadKeyStore(store), 'CERTIFICATE_UNREADABLE')).message).to.contain(reason);
    }
  });
});
