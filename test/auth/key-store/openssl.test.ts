import { execFile, execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import type { ErrorCode } from '#src/errors.js';
import { failureOf } from './stores.js';

const password = 'pässword 1';
const LEGACY = ['-provider', 'legacy', '-provider', 'default'];
const RC2 = 'PBE-SHA1-RC2-40';

function runs(program: string, argument: string): boolean {
  try {
    execFileSync(program, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What is written, how, and what comes of reading it: 'opens', or the error. */
type Output = readonly [options: readonly string[], outcome: 'opens' | ErrorCode];

const both = (cipher: string): string[] => ['-keypbe', cipher, '-certpbe', cipher];
const PKCS12: readonly Output[] = [
  [[], 'opens'],
  [both('aes-128-cbc'), 'opens'],
  [both('camellia-256-cbc'), 'opens'],
  [both('aria-192-cbc'), 'opens'],
  [both('des-ede3-cbc'), 'opens'],
  [both('PBE-SHA1-3DES'), 'opens'],
  [both('PBE-SHA1-2DES'), 'opens'],
  [[...both(RC2), ...LEGACY], 'opens'],
  [[...both('PBE-SHA1-RC2-128'), ...LEGACY], 'opens'],
  [[...both('rc2-cbc'), ...LEGACY], 'opens'],
  [[...both('PBE-SHA1-RC4-128'), ...LEGACY], 'CERTIFICATE_UNREADABLE'],
  [['-certpbe', 'NONE'], 'opens'],
  [[...both('NONE')], 'opens'],
  [['-nomac'], 'opens'],
  [[...both('NONE'), '-nomac'], 'CERTIFICATE_UNREADABLE'],
  [['-macalg', 'sha512'], 'opens'],
  [['-macalg', 'sha3-256'], 'CERTIFICATE_UNREADABLE'],
  [['-macalg', 'md5'], 'CERTIFICATE_UNREADABLE'],
  [['-nocerts'], 'CERTIFICATE_MISSING'],
  [['-nokeys'], 'CERTIFICATE_KEY_MISSING'],
];
const PKCS8: readonly Output[] = [
  [[], 'opens'],
  [['-scrypt'], 'opens'],
  [['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA512'], 'opens'],
  [['-v2', 'des3'], 'opens'],
  [['-v2', 'aes-128-cfb'], 'CERTIFICATE_UNREADABLE'],
  [['-v2', 'rc2', ...LEGACY], 'opens'],
  [['-v1', 'PBE-SHA1-RC2-40', ...LEGACY], 'opens'],
  [['-v1', 'PBE-MD5-DES', ...LEGACY], 'opens'],
  [['-v1', 'PBE-SHA1-RC2-64', ...LEGACY], 'opens'],
  [['-v1', 'PBE-SHA1-RC4-40', ...LEGACY], 'CERTIFICATE_UNREADABLE'],
];
const TRADITIONAL: readonly Output[] = [
  [['-aes128'], 'opens'],
  [['-des3'], 'opens'],
  [['-aria256'], 'opens'],
  [['-camellia192'], 'opens'],
  [['-des', ...LEGACY], 'CERTIFICATE_UNREADABLE'],
];
const BARE: readonly Output[] = [
  [['pkey', '-in', 'key.pem', '-outform', 'DER'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['rsa', '-in', 'key.pem', '-traditional', '-outform', 'DER'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['pkey', '-in', 'key.pem', '-pubout', '-outform', 'DER'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['pkey', '-in', 'key.pem', '-pubout'], 'CERTIFICATE_KEY_MISSING'],
  [['x509', '-in', 'certificate.pem', '-outform', 'DER'], 'CERTIFICATE_KEY_MISSING'],
  [['req', '-new', '-key', 'key.pem', '-subj', '/CN=a', '-outform', 'DER'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['req', '-new', '-key', 'key.pem', '-subj', '/CN=a'], 'CERTIFICATE_KEY_MISSING'],
  [['crl2pkcs7', '-nocrl', '-certfile', 'certificate.pem', '-outform', 'DER'], 'CERTIFICATE_KEY_MISSING'],
  [['rsa', '-in', 'key.pem', '-outform', 'MSBLOB'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['rsa', '-in', 'key.pem', '-RSAPublicKey_out', '-outform', 'DER'], 'CERTIFICATE_TYPE_UNSUPPORTED'],
  [['rsa', '-in', 'key.pem', '-RSAPublicKey_out'], 'CERTIFICATE_KEY_MISSING'],
];

describe('key store: the openssl of this machine', function () {
  this.timeout(60_000);
  let folder = '';

  before(function () {
    if (!runs('openssl', 'version')) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'key-store-'));
    const subject = ['-subj', '/CN=fresh', '-keyout', 'key.pem', '-out', 'certificate.pem'];
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '30', ...subject);
  });

  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  function openssl(...args: readonly string[]): Buffer {
    const env = { ...process.env, PASSWORD: password };
    return execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'], env });
  }

  async function expectOutcome(store: Buffer, outcome: Output[1]): Promise<void> {
    const loading = loadKeyStore(store, { password });
    if (outcome !== 'opens') {
      await failureOf(loading, outcome);
      return;
    }
    const { privateKey, certificate } = await loading;
    expect(certificate.subject).to.equal('CN=fresh');
    expect(privateKey.equals(createPrivateKey(readFileSync(join(folder, 'key.pem'))))).to.equal(true);
  }

  const withCertificate = (key: Buffer) =>
    Buffer.concat([key, readFileSync(join(folder, 'certificate.pem'))]);
  const pkcs12 = ['pkcs12', '-export', '-inkey', 'key.pem', '-in', 'certificate.pem'];
  const pass = ['-passout', 'env:PASSWORD'];

  for (const [options, outcome] of PKCS12) {
    it(`K-02 K-03 pkcs12 -export ${options.join(' ')}: ${outcome}`, async () => {
      const input = options.includes('-nokeys') ? pkcs12.filter((word) => !/key/.test(word)) : pkcs12;
      await expectOutcome(openssl(...input, ...pass, '-iter', '100', ...options), outcome);
    });
  }

  for (const [options, outcome] of PKCS8) {
    it(`K-14 pkcs8 -topk8 ${options.join(' ')}: ${outcome}`, async () => {
      const key = openssl('pkcs8', '-topk8', '-in', 'key.pem', ...pass, ...options);
      await expectOutcome(withCertificate(key), outcome);
    });
  }

  for (const [options, outcome] of TRADITIONAL) {
    it(`K-14 rsa -traditional ${options.join(' ')}: ${outcome}`, async () => {
      const key = openssl('rsa', '-traditional', '-in', 'key.pem', ...pass, ...options);
      await expectOutcome(withCertificate(key), outcome);
    });
  }

  for (const [command, outcome] of BARE) {
    it(`K-10 ${command.join(' ')}: ${outcome}`, () => expectOutcome(openssl(...command), outcome));
  }
});

// Two programs at a time: each is a Java machine.
describe('key store: the keytool of this machine', function () {
  this.timeout(60_000);
  const KEYTOOL: Readonly<Record<string, readonly string[]>> = {
    'K-02 PKCS12': ['-storetype', 'PKCS12'],
    'K-03 PKCS12 in the legacy form': ['-storetype', 'PKCS12', '-J-Dkeystore.pkcs12.legacy'],
    'K-18 JKS': ['-storetype', 'JKS'],
    'K-20 JCEKS': ['-storetype', 'JCEKS'],
  };
  let folder = '';

  before(async function () {
    if (!runs('keytool', '-help')) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'key-store-'));
    const names = Object.keys(KEYTOOL);
    for (let at = 0; at < names.length; at += 2) await Promise.all(names.slice(at, at + 2).map(generate));
  });

  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  async function generate(name: string): Promise<void> {
    const args = [
      '-genkeypair',
      '-keystore',
      join(folder, name),
      '-alias',
      'java',
      '-dname',
      'CN=java',
      '-keyalg',
      'RSA',
    ];
    const fast = ['-J-XX:TieredStopAtLevel=1', '-storepass', 'changeit', '-keypass', 'changeit'];
    await promisify(execFile)('keytool', [...args, ...fast, ...KEYTOOL[name]!]);
  }

  for (const name of Object.keys(KEYTOOL)) {
    it(`${name}: opens`, async () => {
      const { alias } = await loadKeyStore(join(folder, name), { password: 'changeit', subject: 'CN=java' });
      expect(alias).to.equal('java');
    });
  }
});
