import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import forge from 'node-forge';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { problemOf } from '#src/auth/key-store/validity.js';
import { certificateBag, keyBag, pfxOf } from './pfx-writer.js';
import { failureOf, fixture, fixturePath, PASSWORD, service, SUBJECT } from './stores.js';

const NOW = Date.parse('2030-06-15T12:00:00Z');
const now = () => NOW;
const DAY_MS = 86_400_000;

interface Wanted {
  readonly name: string;
  readonly key: KeyPair;
  /** Days from NOW. */
  readonly from?: number;
  readonly to?: number;
}

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

// Self-signed; `name` is CN=…, then O=… where wanted.
function certificateOf({ name, key, from = -1, to = 1 }: Wanted): string {
  const certificate = forge.pki.createCertificate();
  const subject = name.split(', ').map((part) => part.split('='));
  const attributes = subject.map(([shortName, value]) => ({ shortName, value }));
  certificate.publicKey = forge.pki.publicKeyFromPem(
    key.publicKey.export({ type: 'spki', format: 'pem' }) as string,
  );
  certificate.validity.notBefore = new Date(NOW + from * DAY_MS);
  certificate.validity.notAfter = new Date(NOW + to * DAY_MS);
  certificate.setSubject(attributes);
  certificate.setIssuer(attributes);
  certificate.sign(forge.pki.privateKeyFromPem(pemOf(key)), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}

function pemOf({ privateKey }: KeyPair): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

describe('key store: choice of the pair', () => {
  const rsaPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  let one: KeyPair;
  let two: KeyPair;
  let several: string;

  before(() => {
    one = rsaPair();
    two = rsaPair();
    several = [
      pemOf(one),
      pemOf(two),
      certificateOf({ name: 'CN=ended, O=ACME', key: one, from: -9, to: -5 }),
      certificateOf({ name: 'CN=short, O=ACME', key: one, to: 5 }),
      certificateOf({ name: 'CN=long, O=ACME', key: two, to: 9 }),
      certificateOf({ name: 'CN=long ago, O=ACME', key: two, from: -9, to: -1 }),
      certificateOf({ name: 'CN=future, O=Other', key: two, from: 5, to: 99 }),
    ].join('');
  });

  async function commonName(store: string | Buffer, subject?: string): Promise<string | undefined> {
    const { certificate } = await loadKeyStore(store, { subject, now });
    return /CN=(.*)/.exec(certificate.subject)?.[1];
  }

  it('K-09 takes the pair that is valid longest, of those valid now', async () => {
    expect(await commonName(several)).to.equal('long');
    expect(await commonName(several, '*')).to.equal('long');
    expect(await commonName(several, ' ')).to.equal('long');
    expect(await commonName(several, 'ACME')).to.equal('long');
  });

  it('K-09 takes an exact name before a part, and a part before a piece of text', async () => {
    expect(await commonName(several, 'CN=short')).to.equal('short');
    expect(await commonName(several, 'short')).to.equal('short');
    expect(await commonName(several, 'CN=long,O=ACME')).to.equal('long');
    // "CN=long" is the whole of one part, and only the beginning of the other's.
    expect(await commonName(several, 'CN=long')).to.equal('long');
    await failureOf(loadKeyStore(several, { subject: 'long ago', now }), 'CERTIFICATE_EXPIRED');
  });

  it('K-09 lists the subjects when none matches', async () => {
    const error = await failureOf(
      loadKeyStore(several, { subject: 'CN=nobody', now }),
      'CERTIFICATE_SUBJECT_NOT_FOUND',
    );
    for (const name of ['ended', 'short', 'long', 'future']) expect(error.message).to.contain(`CN=${name}`);
    expect(error.properties).to.deep.equal(['OAuthJWTCertSubject']);
  });

  it('does not read through a subject as long as a book', () =>
    failureOf(
      loadKeyStore(several, { subject: 'CN=a,'.repeat(1e6), now }),
      'CERTIFICATE_SUBJECT_NOT_FOUND',
    ).then(() => {}));

  it('K-09 says which of several pairs it chose, and nothing where there was no choice', async () => {
    const { notes, thumbprintSha256 } = await loadKeyStore(several, { now, subject: 'ACME' });
    expect(notes[0]).to.equal(
      '4 key pairs match OAuthJWTCertSubject; of the usable ones, the one valid longest is used: ' +
        `CN=long, O=ACME, SHA-256 thumbprint ${thumbprintSha256}`,
    );
    expect((await loadKeyStore(several, { now, subject: 'CN=long, O=ACME' })).notes).to.have.lengthOf(1);
    const twice = certificateOf({ name: 'CN=once', key: one, to: 30 }).repeat(2) + pemOf(one);
    expect((await loadKeyStore(twice, { now })).notes).to.deep.equal([]);
  });

  it('K-12 says that the certificate expires within two weeks', async () => {
    const expiring = (days: number) => pemOf(one) + certificateOf({ name: 'CN=soon', key: one, to: days });
    expect((await loadKeyStore(expiring(15), { now })).notes).to.deep.equal([]);
    const { notes } = await loadKeyStore(expiring(13), { now });
    expect(notes).to.deep.equal(['the certificate CN=soon expires soon, on 2030-06-28T12:00:00.000Z']);
  });

  it('K-13 refuses RSA keys too large to verify', async () => {
    const jwk = one.publicKey.export({ format: 'jwk' });
    const n = Buffer.alloc(2_100, 0xff).toString('base64url');
    const key = createPublicKey({ format: 'jwk', key: { ...jwk, n } });
    expect(problemOf(service.certificate, key, NOW)?.message).to.contain('16800 bits, more than 16384');
  });

  it('K-09 chooses by alias', async () => {
    const options = { password: PASSWORD };
    const store = fixture('keytool-two-keys.p12');
    expect((await loadKeyStore(store, { ...options, subject: 'CN=first, O=ACME' })).alias).to.equal('first');
    expect((await loadKeyStore(store, { ...options, subject: 'FIRST' })).alias).to.equal('first');
    const byAlias = await loadKeyStore(fixture('aes256.pfx'), { ...options, subject: 'Service' });
    expect(byAlias.alias).to.equal('service');
  });

  const sameName = [
    'C=DE,ST=Bavaria,O="ACME, Inc.",OU=Integration,CN=pg-entra service,emailAddress=ops@example.test',
    'E=ops@example.test, CN=pg-entra service, OU=Integration, "O=ACME, Inc.", S=Bavaria, C=DE',
    'cn=PG-Entra  Service , o=ACME\\, Inc.,ou=integration,email=ops@example.test,s=bavaria,c=de',
    'CN=pg-entra service, S=Bavaria',
    'O=ACME\\, Inc.',
    'ACME, Inc.',
    'entra serv',
    'OU=Integr',
    'emailaddress=ops@',
    SUBJECT,
  ];
  for (const subject of sameName) {
    it(`finds the certificate by ${subject}`, async () => {
      const { certificate } = await loadKeyStore(fixturePath('pkcs8.pem'), { subject });
      expect(certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    });
  }

  for (const subject of [
    'CN=Bavaria',
    'CN=pg-entra service, C=US',
    'ST=Bavaria, X=1',
    'O=ACME',
    'nobody',
    '=',
  ]) {
    const code = subject === 'O=ACME' || subject === '=' ? undefined : 'CERTIFICATE_SUBJECT_NOT_FOUND';
    it(`${code === undefined ? 'takes a piece of text for' : 'finds nothing by'} ${subject}`, async () => {
      const loading = loadKeyStore(fixturePath('pkcs8.pem'), { subject });
      await (code === undefined ? loading : failureOf(loading, code));
    });
  }

  it('K-09 pairs by public key: a certificate of the same name but another key is not taken', async () => {
    const name = 'CN=same';
    const store = [
      certificateOf({ name, key: two, to: 9 }),
      certificateOf({ name, key: one, to: 5 }),
      pemOf(one),
    ].join('');
    const { certificate, privateKey } = await loadKeyStore(store, { now });
    expect(certificate.checkPrivateKey(privateKey)).to.equal(true);
  });

  it('K-12 refuses an expired certificate, with its date', async () => {
    const store = pemOf(one) + certificateOf({ name: 'CN=ended', key: one, from: -9, to: -5 });
    const error = await failureOf(loadKeyStore(store, { now }), 'CERTIFICATE_EXPIRED');
    expect(error.message).to.contain('CN=ended').and.to.contain('2030-06-10T12:00:00.000Z');
  });

  it('K-12 refuses a certificate that is not yet valid, with its date', async () => {
    const store = pemOf(one) + certificateOf({ name: 'CN=future', key: one, from: 1, to: 5 });
    const error = await failureOf(loadKeyStore(store, { now }), 'CERTIFICATE_NOT_YET_VALID');
    expect(error.message).to.contain('2030-06-16T12:00:00.000Z');
  });

  it('K-12 takes a certificate in its first and in its last second', async () => {
    const store = pemOf(one) + certificateOf({ name: 'CN=day', key: one, from: 0, to: 1 });
    for (const at of [NOW, NOW + DAY_MS]) await loadKeyStore(store, { now: () => at });
    await failureOf(loadKeyStore(store, { now: () => NOW - 1000 }), 'CERTIFICATE_NOT_YET_VALID');
    await failureOf(loadKeyStore(store, { now: () => NOW + DAY_MS + 1 }), 'CERTIFICATE_EXPIRED');
  });

  const kinds = {
    'rsa-1024.pem': '1024 bits',
    'ec-p256.pem': 'prime256v1',
    'ed25519.pem': 'ed25519',
    'rsa-pss.pem': 'rsa-pss',
  };
  for (const [name, word] of Object.entries(kinds)) {
    it(`K-13 refuses ${name} and names its key`, async () => {
      const error = await failureOf(loadKeyStore(fixturePath(name)), 'CERTIFICATE_KEY_UNSUITABLE');
      expect(error.message).to.contain(word);
    });
  }

  it('K-13 takes RSA of 8192 bits', async () => {
    const { privateKey } = await loadKeyStore(fixturePath('rsa-8192.pem'));
    expect(privateKey.asymmetricKeyDetails?.modulusLength).to.equal(8192);
  });

  it('prefers a pair that can be used to one that cannot', async () => {
    const store = Buffer.concat([fixture('ec-p256.pem'), fixture('rsa-1024.pem'), fixture('pkcs8.pem')]);
    expect((await loadKeyStore(store)).certificate.subject).to.equal(service.certificate.subject);
  });

  it('K-22 refuses a private key that does not sign for its own public half', async () => {
    const jwk = service.key.export({ format: 'jwk' });
    // Another d and other primes beside the same n and e: only a signature shows it.
    const other = one.privateKey.export({ format: 'jwk' });
    const mixed = createPrivateKey({
      format: 'jwk',
      key: { ...other, n: jwk.n as string, e: jwk.e as string },
    });
    const pkcs8 = mixed.export({ type: 'pkcs8', format: 'der' });
    const store = pfxOf([keyBag(pkcs8), certificateBag(service.certificate.raw)]);
    const error = await failureOf(loadKeyStore(store), 'CERTIFICATE_UNREADABLE');
    expect(error.message).to.contain('private key is damaged');
  });
});
