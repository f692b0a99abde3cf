import { inspect } from 'node:util';
import { expect } from 'chai';
import { type KeyStoreOptions, loadKeyStore } from '#src/auth/key-store/index.js';
import { Secret } from '#src/settings/secret.js';
import { fixture, fixturePath, PASSWORD, service } from './stores.js';

const CANARY = 'canary-9f41c7';

// Parts of the key in the forms it could be printed in.
const jwk = service.key.export({ format: 'jwk' });
const privateParts = [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi].map((part) =>
  Buffer.from(part ?? '', 'base64url'),
);
// The first lines hold the public half, which a certificate may show.
const keyLines = ['key-only.pem', 'pkcs1.pem'].flatMap((name) =>
  fixture(name).toString().split('\n').slice(8, 25),
);
const traces = [
  CANARY,
  PASSWORD,
  ...keyLines.map((line) => line.slice(8, 40)),
  ...privateParts.flatMap((part) => [part.toString('hex').slice(0, 24), inspect(part).slice(8, 60)]),
];

function everythingIn(value: unknown): string {
  const plain = inspect(value, { showHidden: true, depth: 20, getters: true, maxArrayLength: null });
  const stack = value instanceof Error ? String(value.stack) : '';
  return `${plain}\n${stack}\n${String(value)}\n${JSON.stringify(value)}`;
}

function expectSilence(value: unknown): void {
  const text = everythingIn(value);
  for (const trace of traces) expect(text.includes(trace), `shows ${trace}`).to.equal(false);
}

describe('key store: secrecy', () => {
  const keyPem = fixture('key-only.pem').toString();
  const all = fixture('pkcs8.pem').toString();
  const failures: [name: string, store: string | Buffer, options: KeyStoreOptions][] = [
    ['a wrong password', fixture('aes256.pfx'), { password: CANARY }],
    ['a wrong password in a Secret', fixture('aes256.pfx'), { password: new Secret(CANARY) }],
    ['a wrong key password', fixture('aes256.pfx'), { password: PASSWORD, keyPassword: CANARY }],
    ['a wrong PEM password', fixture('pkcs8-aes256.pem'), { password: CANARY }],
    ['a wrong traditional password', fixture('traditional-aes256.pem'), { password: CANARY }],
    ['a password as long as a book', fixture('traditional-aes256.pem'), { password: CANARY.repeat(1000) }],
    ['a wrong JKS password', fixture('service.jks'), { password: CANARY }],
    ['a wrong JCEKS key password', fixture('service.jceks'), { password: PASSWORD, keyPassword: CANARY }],
    ['a cut JWK', JSON.stringify(jwk).slice(0, -1), { type: 'JWKBLOB' }],
    ['a JWK without a prime', JSON.stringify({ ...jwk, p: undefined }), {}],
    ['a JWK with a damaged number', JSON.stringify({ ...jwk, d: [jwk.d] }), {}],
    ['a JWK taken for PEM', JSON.stringify(jwk), { type: 'PEMKEY_BLOB', password: CANARY }],
    ['a store without certificate', keyPem, { password: CANARY }],
    ['a cut PEM text', all.slice(0, 1200), { password: CANARY }],
    ['a damaged key', all.replace('MII', 'MIX'), {}],
    ['a key without its first lines', all.split('\n').slice(3).join('\n'), {}],
    ['a key taken for a path', keyPem.replaceAll('-----', ''), {}],
    ['a key taken for a file', keyPem, { type: 'PEMKEY_FILE' }],
    ['a key taken for PKCS#12', keyPem, { type: 'PFXBLOB' }],
    ['a key without its armour', keyPem.replace(/-----.*-----\n/g, ''), { type: 'PEMKEY_BLOB' }],
    ['an unprotected store and a password', fixture('unencrypted-no-mac.pfx'), { password: PASSWORD }],
    ['a certificate of another key', fixture('key-of-another-certificate.pem'), { password: PASSWORD }],
    ['no such subject', all, { subject: 'nobody', password: CANARY }],
    ['a type that is none', all, { type: 'X' as 'AUTO', password: CANARY }],
    ['an expired certificate', all, { now: () => Number.MAX_SAFE_INTEGER, password: CANARY }],
    [
      'a reader that quotes the path',
      keyPem,
      { type: 'PFXFILE', readFile: async (p) => Promise.reject(new Error(p)) },
    ],
  ];
  for (const [name, store, options] of failures) {
    it(`no secret and no key byte shows in the error of ${name}`, async () => {
      const error = await loadKeyStore(store, options).then(
        () => expect.fail('an error was expected'),
        (thrown: unknown) => thrown,
      );
      expectSilence(error);
      expectSilence({ nested: { error } });
    });
  }

  it('K-28 the entry prints neither key nor password', async () => {
    expectSilence(await loadKeyStore(fixturePath('aes256.pfx'), { password: PASSWORD }));
  });

  it('the traces would be found', () => {
    const text = everythingIn({ keyPem, all, d: privateParts[0] });
    expect(traces.filter((trace) => text.includes(trace))).to.have.length.above(15);
  });
});
