import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadKeyStore } from '#src/auth/key-store/index.js';

const password = 'pässword 1';

describe('key store: the openssl and keytool of this machine', function () {
  this.timeout(30_000);
  let folder = '';

  before(function () {
    if (!runs('openssl', 'version')) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'key-store-'));
    const subject = ['-subj', '/CN=fresh', '-keyout', 'key.pem', '-out', 'certificate.pem'];
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '2', ...subject);
  });

  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  function runs(program: string, argument: string): boolean {
    try {
      execFileSync(program, [argument], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  function openssl(...args: string[]): void {
    execFileSync('openssl', args, {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, PASSWORD: password },
    });
  }

  async function expectFresh(name: string): Promise<void> {
    const { privateKey, certificate } = await loadKeyStore(join(folder, name), { password });
    expect(certificate.subject).to.equal('CN=fresh');
    expect(privateKey.equals(createPrivateKey(readFileSync(join(folder, 'key.pem'))))).to.equal(true);
  }

  it('K-02 reads what openssl pkcs12 -export writes', async () => {
    const input = ['-inkey', 'key.pem', '-in', 'certificate.pem', '-passout', 'env:PASSWORD'];
    openssl('pkcs12', '-export', ...input, '-out', 'fresh.pfx');
    await expectFresh('fresh.pfx');
  });

  it('K-14 reads what openssl pkcs8 -topk8 writes', async () => {
    openssl('pkcs8', '-topk8', '-in', 'key.pem', '-passout', 'env:PASSWORD', '-out', 'encrypted.pem');
    const store = Buffer.concat(
      ['encrypted.pem', 'certificate.pem'].map((name) => readFileSync(join(folder, name))),
    );
    const { certificate } = await loadKeyStore(store, { password });
    expect(certificate.subject).to.equal('CN=fresh');
  });

  it('K-02 reads what keytool writes', async function () {
    if (!runs('keytool', '-help')) this.skip();
    const names = ['-keystore', join(folder, 'java.p12'), '-alias', 'java', '-dname', 'CN=java'];
    const kind = ['-storetype', 'PKCS12', '-storepass', 'changeit', '-keyalg', 'RSA', '-keysize', '2048'];
    execFileSync('keytool', ['-genkeypair', ...names, ...kind], { stdio: 'ignore' });
    const { alias } = await loadKeyStore(join(folder, 'java.p12'), {
      password: 'changeit',
      subject: 'CN=java',
    });
    expect(alias).to.equal('java');
  });
});
