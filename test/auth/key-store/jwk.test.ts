import type { JsonWebKey } from 'node:crypto';
import { expect } from 'chai';
import { type KeyStoreOptions, loadKeyStore } from '#src/auth/key-store/index.js';
import { X509Certificate } from 'node:crypto';
import { failureOf, fixture, service } from './stores.js';

const key: JsonWebKey = service.key.export({ format: 'jwk' });
const chain = (
  fixture('bag-attributes.pem')
    .toString()
    .match(/-----BEGIN CERT[^]+?-----END CERT.*/g) ?? []
)
  .map((pem) => new X509Certificate(pem).raw.toString('base64'))
  .sort((a, b) => Number(b === leaf()) - Number(a === leaf()));
const base64url = (fingerprint: string) =>
  Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url');
const x5t = base64url(service.certificate.fingerprint);
const x5tS256 = base64url(service.certificate.fingerprint256);

function leaf(): string {
  return service.certificate.raw.toString('base64');
}

describe('key store: JWK', () => {
  async function expectService(store: unknown, options: KeyStoreOptions = {}) {
    const entry = await loadKeyStore(JSON.stringify(store), { type: 'JWKBLOB', ...options });
    expect(entry.privateKey.equals(service.key)).to.equal(true);
    expect(entry.certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
    return entry;
  }

  async function refusalOf(store: unknown): Promise<string> {
    const text = typeof store === 'string' ? store : JSON.stringify(store);
    const loading = loadKeyStore(text, { type: 'JWKBLOB' });
    return (await failureOf(loading, 'CERTIFICATE_UNREADABLE')).message;
  }

  it('reads a private key with its chain and thumbprints', async () => {
    const jwk = { ...key, kid: 'service', x5c: chain, x5t, 'x5t#S256': x5tS256 };
    const entry = await expectService(jwk);
    expect(entry.alias).to.equal('service');
    expect(entry.chain).to.have.lengthOf(3);
  });

  it('reads a set, chooses by subject and by kid, passes symmetric keys over', async () => {
    const set = {
      keys: [
        { kty: 'oct', k: 'AAAA' },
        { ...key, kid: 'mine', x5c: [leaf()] },
      ],
    };
    await expectService(set);
    await expectService(set, { subject: 'MINE' });
    await expectService(set, { subject: 'CN=pg-entra service' });
  });

  it('K-17 K-21 takes a file, base64, bytes with a byte order mark, and AUTO', async () => {
    const text = JSON.stringify({ ...key, x5c: [leaf()] }, null, 2);
    const readFile = async () => Buffer.from(text);
    await loadKeyStore('key.json', { type: 'JWKFILE', readFile });
    await loadKeyStore('key.json', { readFile });
    await loadKeyStore(Buffer.from(text).toString('base64'), { type: 'JWKBLOB' });
    await loadKeyStore(Buffer.from(`\ufeff${text}`));
    await loadKeyStore(text);
    const { message } = await failureOf(
      loadKeyStore(text, { type: 'PEMKEY_BLOB' }),
      'CERTIFICATE_UNREADABLE',
    );
    expect(message).to.contain('it holds a JSON Web Key');
  });

  it('K-10 misses the certificate (x5c), the key', async () => {
    const { cure } = await failureOf(loadKeyStore(JSON.stringify(key)), 'CERTIFICATE_MISSING');
    expect(cure).to.contain('x5c');
    const publicHalf = { kty: key.kty, n: key.n, e: key.e, x5c: [leaf()] };
    await failureOf(loadKeyStore(JSON.stringify(publicHalf)), 'CERTIFICATE_KEY_MISSING');
    await failureOf(loadKeyStore('{"keys":[]}'), 'CERTIFICATE_KEY_MISSING');
  });

  it('K-11 refuses a certificate of another key', async () => {
    const other = chain.find((certificate) => certificate !== leaf());
    const loading = loadKeyStore(JSON.stringify({ ...key, x5c: [other] }));
    await failureOf(loading, 'CERTIFICATE_KEY_MISMATCH');
  });

  it('K-27 refuses thumbprints that are not those of the certificate', async () => {
    const jwk = { ...key, x5c: [leaf()] };
    expect(await refusalOf({ ...jwk, x5t: x5tS256 })).to.contain('its x5t is not the thumbprint');
    expect(await refusalOf({ ...jwk, 'x5t#S256': x5t })).to.contain('its x5t#S256 is not the thumbprint');
    expect(await refusalOf({ ...jwk, x5t: 1 })).to.contain('its x5t is not the thumbprint');
  });

  it('K-13 names a key that is not RSA', async () => {
    const ec = {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
      d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
    };
    await failureOf(loadKeyStore(JSON.stringify(ec)), 'CERTIFICATE_MISSING');
  });

  const damaged: [name: string, store: unknown, reason: string][] = [
    ['JSON that ends early', '{"kty":"RSA"', 'its JSON is damaged'],
    ['an object that is no key', '{}', 'neither a JSON Web Key nor a set'],
    ['a key without CRT numbers', { ...key, qi: undefined }, 'lacks one of n, e, d'],
    ['a key with a number for d', { ...key, d: 5 }, 'damaged'],
    ['a key of more than two primes', { ...key, oth: [] }, 'more than two primes'],
    ['an unknown kind', { ...key, kty: 'X' }, 'unknown kind'],
    ['x5c that is text', { ...key, x5c: leaf() }, 'x5c is not a list'],
    ['x5c with a number', { ...key, x5c: [1] }, 'not base64'],
    ['x5c with no base64', { ...key, x5c: ['!'] }, 'not base64'],
    ['x5c with a cut certificate', { ...key, x5c: [leaf().slice(0, 400)] }, 'certificates is damaged'],
    ['JSON nested 100,000 deep', `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, 'neither a JSON Web Key'],
    ['300 kB', `{"a":"${'x'.repeat(3e5)}"}`, 'larger than 256 kB'],
    ['33 keys', { keys: Array.from({ length: 33 }, () => key) }, 'more than 32 private keys'],
    ['257 certificates', { ...key, x5c: Array.from({ length: 257 }, () => '') }, 'more than 256'],
  ];
  for (const [name, store, reason] of damaged) {
    it(`K-24 refuses ${name}`, async () => expect(await refusalOf(store)).to.contain(reason));
  }

  it('refuses the key of a Google service account and names it', async () => {
    const google = {
      type: 'service_account',
      private_key: fixture('key-only.pem').toString(),
      client_email: 'a@example.test',
    };
    for (const type of ['JWKBLOB', 'AUTO'] as const) {
      const loading = loadKeyStore(JSON.stringify(google), { type });
      expect((await failureOf(loading, 'CERTIFICATE_TYPE_UNSUPPORTED')).message).to.contain('Google');
    }
  });
});
