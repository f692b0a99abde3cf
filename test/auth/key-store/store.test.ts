import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { expect } from 'chai';
import { FORMATS, recognise } from '#src/auth/key-store/formats.js';
import { type KeyStoreType, loadKeyStore } from '#src/auth/key-store/index.js';
import type { StorePasswords } from '#src/auth/key-store/store-contents.js';
import { WorkBudget } from '#src/auth/key-store/work-budget.js';
import { Secret } from '#src/settings/secret.js';
import { SUPPORTED_TYPES, UNSUPPORTED_TYPES } from '#src/settings/key-store-types.js';
import { resealed } from './jks-writer.js';
import { withMac, withPbmac1 } from './pfx-writer.js';
import { failureOf, fixture, fixturePath, PASSWORD, service } from './stores.js';

const password = PASSWORD;
const pfx = fixture('aes256.pfx');
const pem = fixture('pkcs8.pem');

describe('key store: where it comes from', () => {
  async function expectService(store: string | Buffer, type?: KeyStoreType) {
    const { certificate } = await loadKeyStore(store, { type, password });
    expect(certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
  }

  const sources: [name: string, type: KeyStoreType, store: string | Buffer][] = [
    ['a path', 'PFXFILE', fixturePath('aes256.pfx')],
    ['base64', 'PFXBLOB', pfx.toString('base64')],
    ['base64 in lines', 'PFXBLOB', pfx.toString('base64').replace(/.{64}/g, '$&\r\n')],
    ['bytes', 'PFXBLOB', pfx],
    ['bytes', 'PFXFILE', pfx],
    ['bytes of base64', 'PFXBLOB', Buffer.from(pfx.toString('base64'))],
    ['a path', 'PEMKEY_FILE', fixturePath('pkcs8.pem')],
    ['text', 'PEMKEY_BLOB', pem.toString()],
    ['base64', 'PEMKEY_BLOB', pem.toString('base64')],
    ['bytes', 'PEMKEY_BLOB', pem],
    ['a path of PKCS#12', 'AUTO', fixturePath('aes256.pfx')],
    ['a path of PEM', 'AUTO', fixturePath('pkcs8.pem')],
    ['base64 of PKCS#12', 'AUTO', pfx.toString('base64')],
    ['base64 of PEM', 'AUTO', pem.toString('base64')],
    ['PEM text', 'AUTO', pem.toString()],
    ['PEM text in one line', 'AUTO', pem.toString().replaceAll('\n', '\\n')],
    ['bytes of PKCS#12', 'AUTO', pfx],
    ['bytes of PEM', 'AUTO', pem],
  ];
  for (const [name, type, store] of sources) {
    it(`K-17 ${type} takes ${name}`, () => expectService(store, type));
  }

  it('takes AUTO where no type is given', () => expectService(fixturePath('pkcs8.pem')));

  it('K-21 AUTO looks at the contents, not at the name of the file', async () => {
    const { certificate } = await loadKeyStore('store.jks', { password, readFile: async () => pfx });
    expect(certificate.fingerprint256).to.equal(service.certificate.fingerprint256);
  });

  it('K-21 says what a store is instead of what its type announces', async () => {
    const mistaken: [KeyStoreType, string, string][] = [
      ['PFXFILE', fixturePath('pkcs8.pem'), 'PEM'],
      ['PEMKEY_FILE', fixturePath('aes256.pfx'), 'PKCS#12'],
      ['PFXBLOB', pem.toString('base64'), 'PEM'],
    ];
    for (const [type, store, kind] of mistaken) {
      const { message } = await failureOf(loadKeyStore(store, { type, password }), 'CERTIFICATE_UNREADABLE');
      expect(message).to.contain(`OAuthJWTCertType is ${type}, but it holds ${kind}`);
    }
  });

  it('refuses every other type that CData knows, and names one that works', async () => {
    for (const type of Object.keys(UNSUPPORTED_TYPES) as (keyof typeof UNSUPPORTED_TYPES)[]) {
      const { message } = await failureOf(loadKeyStore('MY', { type }), 'CERTIFICATE_TYPE_UNSUPPORTED');
      expect(message)
        .to.contain(`${type} is `)
        .and.to.match(/use .*(?:PFXFILE|PEMKEY_FILE)/);
    }
  });

  it('the table of types names every format, and nothing both as readable and as refused', () => {
    const readable = FORMATS.flatMap(({ file, blob }) => [file, blob]);
    expect(SUPPORTED_TYPES).to.have.members(['AUTO', ...readable]);
    expect(UNSUPPORTED_TYPES).not.to.have.any.keys(...SUPPORTED_TYPES);
  });

  it('refuses a type that nobody knows', async () => {
    for (const type of ['PFX', '__proto__', 'constructor', '']) {
      await failureOf(loadKeyStore(pfx, { type: type as KeyStoreType }), 'CERTIFICATE_TYPE_UNSUPPORTED');
    }
  });

  it('K-21 reads PKCS#12 as a Java key store and the reverse, as Java does', async () => {
    const jks = fixture('service.jks');
    await expectService(pfx, 'JKSBLOB');
    await expectService(fixturePath('aes256.pfx'), 'JKSFILE');
    await expectService(jks.toString('base64'), 'PFXBLOB');
    const { message } = await failureOf(loadKeyStore(pem, { type: 'JKSFILE' }), 'CERTIFICATE_UNREADABLE');
    expect(message).to.contain('OAuthJWTCertType is JKSFILE, but it holds PEM');
  });

  // The outer values of a BCFKS store: three SEQUENCEs, then the id of PBES2.
  const bcfks = Buffer.concat([Buffer.from('3082060030820500308206a006092a864886f70d01050d', 'hex'), pfx]);
  const publicKey = createPublicKey(service.key);
  const unsupported: Record<string, [contents: string | Buffer, word: string]> = {
    'a PuTTY key': ['PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n', 'PuTTY'],
    'an XML key': ['<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>', 'XML'],
    'an XML key with a declaration': ['\n<?xml version="1.0"?>\n<RSAKeyValue/>', 'XML'],
    'an SSH public key': ['ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 me@here', 'SSH public key'],
    'an SSH2 public key': ['---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----', 'SSH'],
    'K-20 BKS': [Buffer.from(`0000000200000014${'ab'.repeat(60)}`, 'hex'), 'Bouncy Castle'],
    'K-20 UBER': [Buffer.from(`0000000100000014${'ab'.repeat(60)}`, 'hex'), 'BKS or UBER'],
    'K-20 BCFKS': [bcfks, 'FIPS'],
    'a bare PKCS#8 key': [service.key.export({ type: 'pkcs8', format: 'der' }), 'openssl pkey'],
    'a bare PKCS#1 key': [service.key.export({ type: 'pkcs1', format: 'der' }), 'openssl pkey'],
    'a bare encrypted key': [
      service.key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'x' }),
      'openssl pkey',
    ],
    'a PVK key': [Buffer.from(`b0b5f11e`, 'hex').reverse(), 'Microsoft key blob'],
    'a list of revoked certificates': [
      Buffer.from(`30818030700201013000${'00'.repeat(120)}`, 'hex'),
      'revoked',
    ],
    'an encrypted message': [Buffer.from(`308006092a864886f70d010703${'00'.repeat(120)}`, 'hex'), 'CMS'],
    'a bare public key': [publicKey.export({ type: 'spki', format: 'der' }), 'public key'],
  };
  for (const [name, [contents, word]] of Object.entries(unsupported)) {
    it(`says what ${name} is and what to use, under AUTO and any type`, async () => {
      const bytes = Buffer.from(contents as string);
      for (const form of [bytes, bytes.toString('base64'), contents]) {
        const { message } = await failureOf(loadKeyStore(form), 'CERTIFICATE_TYPE_UNSUPPORTED');
        expect(message)
          .to.contain(word)
          .and.to.match(/use .*(?:PFXFILE|PEMKEY_FILE)/);
      }
      await failureOf(loadKeyStore(bytes, { type: 'PFXFILE' }), 'CERTIFICATE_TYPE_UNSUPPORTED');
    });
  }

  it('does not load the ASN.1 packages for a PEM file with a plain key', () => {
    const script = `
      import { createRequire } from 'node:module';
      const { loadKeyStore } = await import(process.argv[1]);
      await loadKeyStore(process.argv[2]);
      console.log(Object.keys(createRequire(process.argv[2]).cache).join());`;
    const module = import.meta.resolve('#src/auth/key-store/index.js');
    const args = ['--input-type=module', '-e', script, module, fixturePath('pkcs8.pem')];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).not.to.contain('peculiar');
    args.splice(-1, 1, fixturePath('unencrypted-no-mac.pfx'));
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).to.contain('peculiar');
  });

  it('refuses what is no store at all', async () => {
    for (const store of ['not base64!', 'aGVsbG8=', '', ' ']) {
      await failureOf(loadKeyStore(store, { type: 'PFXBLOB' }), 'CERTIFICATE_UNREADABLE');
    }
    await failureOf(loadKeyStore(Buffer.from('hello')), 'CERTIFICATE_UNREADABLE');
    await failureOf(loadKeyStore(Buffer.alloc(0)), 'CERTIFICATE_UNREADABLE');
  });

  it('K-17 refuses contents of more than 1 MB', async () => {
    const large = Buffer.concat([pem, Buffer.alloc(1_000_000)]);
    await failureOf(loadKeyStore(large), 'CERTIFICATE_UNREADABLE');
    await failureOf(
      loadKeyStore(large.toString('base64'), { type: 'PEMKEY_BLOB' }),
      'CERTIFICATE_UNREADABLE',
    );
    await failureOf(loadKeyStore('path', { readFile: async () => large }), 'CERTIFICATE_UNREADABLE');
  });
});

describe('key store: equal effort', () => {
  async function effortOf(contents: Buffer, passwords: StorePasswords): Promise<number> {
    const budget = new WorkBudget();
    const { read } = await recognise(contents)!.load();
    await failureOf(read(contents, passwords, budget), 'CERTIFICATE_PASSWORD_WRONG');
    return budget.spent;
  }

  const right = { store: new Secret(password) };
  const wrong = { store: new Secret('wrong') };
  const stores: Record<string, Buffer> = {
    'PKCS#12': fixture('aes256.pfx'),
    'PKCS#12 with PBMAC1': withPbmac1(fixture('mac-sha256.pfx'), password, {}),
  };
  for (const [name, store] of Object.entries(stores)) {
    it(`K-07 X-13 ${name}: a wrong password and damage cost the same derivations`, async () => {
      const damagedMac = withMac(store, ({ mac }) => {
        new Uint8Array(mac.digest.buffer)[0]! ^= 1;
      });
      const damagedContent = Buffer.from(store);
      damagedContent[store.length >> 1]! ^= 1;
      const effort = await effortOf(store, wrong);
      expect(effort).to.be.above(0);
      expect(await effortOf(damagedMac, right)).to.equal(effort);
      expect(await effortOf(damagedContent, right)).to.equal(effort);
    });
  }

  it('K-07 X-13 JCEKS: a wrong key password and a damaged key cost the same derivations', async () => {
    const store = fixture('service.jceks');
    const damagedKey = Buffer.from(store);
    damagedKey[90]! ^= 1;
    const effort = await effortOf(store, { ...right, key: new Secret('wrong') });
    expect(effort).to.equal(20_000);
    expect(await effortOf(resealed(damagedKey, password), right)).to.equal(effort);
  });
});

describe('key store: files', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'key-store-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  async function reasonFor(path: string): Promise<string> {
    const error = await failureOf(loadKeyStore(path, { type: 'PFXFILE' }), 'PROPERTY_FILE_UNREADABLE');
    expect(error.message).to.contain('OAuthJWTCert').and.not.to.contain(path);
    expect(error.cause).to.equal(undefined);
    return /\((.*)\)/.exec(error.message)?.[1] ?? '';
  }

  it('K-25 a missing file, a directory, a loop of links', async () => {
    const loop = join(folder, 'loop');
    symlinkSync(loop, loop);
    expect(await reasonFor(join(folder, 'missing'))).to.equal('ENOENT');
    expect(await reasonFor(folder)).to.equal('not a regular file');
    expect(await reasonFor(loop)).to.equal('ELOOP');
    expect(await reasonFor('nul\0byte')).to.equal('ERR_INVALID_ARG_VALUE');
  });

  it('K-25 a file that may not be read', async () => {
    const readFile = () => Promise.reject(Object.assign(new Error('secret path'), { code: 'EACCES' }));
    const error = await failureOf(loadKeyStore('x', { readFile }), 'PROPERTY_FILE_UNREADABLE');
    expect(error.message).to.contain('EACCES').and.not.to.contain('secret');
  });

  it('K-25 a FIFO without a writer never blocks', async function () {
    const fifo = join(folder, 'fifo');
    try {
      execFileSync('mkfifo', [fifo], { stdio: 'ignore' });
    } catch {
      this.skip();
    }
    expect(await reasonFor(fifo)).to.equal('not a regular file');
  });

  it('K-25 a device', async function () {
    if (process.platform === 'win32') this.skip();
    expect(await reasonFor('/dev/zero')).to.equal('not a regular file');
  });

  it('K-25 a file of 5 GB', async () => {
    const large = join(folder, 'large');
    writeFileSync(large, '');
    truncateSync(large, 5e9);
    expect(await reasonFor(large)).to.equal('larger than 1 MB');
  });

  it('reads a file through a link', async () => {
    const link = join(folder, 'link');
    symlinkSync(fixturePath('aes256.pfx'), link);
    expect((await loadKeyStore(link, { password })).alias).to.equal('service');
  });

  it('K-21 says of a path that a blob type was given for it', async () => {
    const error = await failureOf(
      loadKeyStore('/etc/app/flow.pfx', { type: 'PFXBLOB' }),
      'CERTIFICATE_UNREADABLE',
    );
    expect(error.message).to.include('looks like a path; use PFXFILE');
    const pem = failureOf(
      loadKeyStore('C:\\keys\\flow.pem', { type: 'PEMKEY_BLOB' }),
      'CERTIFICATE_UNREADABLE',
    );
    expect((await pem).message).to.include('use PEMKEY_FILE');
  });
});
