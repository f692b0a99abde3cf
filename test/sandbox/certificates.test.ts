import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect } from 'chai';
import {
  createCertificateAuthority,
  selfSign,
  toEncryptedPem,
  toPfx,
  type CertificateAuthority,
} from '#sandbox/certificates.js';

describe('sandbox certificates', function () {
  this.timeout(20_000);
  let authority: CertificateAuthority;

  before(async () => {
    authority = await createCertificateAuthority();
  });

  it('are issued for hosts under the CA', async () => {
    const issued = await authority.issue({
      commonName: 'localhost',
      hosts: ['localhost', '127.0.0.1', '::1'],
    });
    const certificate = new X509Certificate(issued.pem);
    const ca = new X509Certificate(authority.pem);
    expect(ca.ca).to.equal(true);
    expect(certificate.checkIssued(ca)).to.equal(true);
    expect(certificate.verify(ca.publicKey)).to.equal(true);
    expect(certificate.checkHost('localhost')).to.equal('localhost');
    expect(certificate.checkIP('127.0.0.1')).to.equal('127.0.0.1');
    expect(certificate.checkIP('::1')).to.equal('::1');
    expect(certificate.checkHost('example.com')).to.equal(undefined);
    expect(certificate.checkPrivateKey(createPrivateKey(issued.keyPem))).to.equal(true);
    expect(issued.chainPem).to.equal(authority.pem);
  });

  it('have the validity that was asked for', async () => {
    const notBefore = new Date('2020-01-01T00:00:00Z');
    const notAfter = new Date('2020-02-01T00:00:00Z');
    const certificate = new X509Certificate((await selfSign({ commonName: 'old', notBefore, notAfter })).pem);
    expect([Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]).to.deep.equal([
      notBefore.getTime(),
      notAfter.getTime(),
    ]);
    expect(certificate.verify(certificate.publicKey)).to.equal(true);
  });

  it('go into a PFX with their chain, which only its password opens', async () => {
    const pfx = toPfx(await authority.issue({ commonName: 'app' }), 'pass; word');
    expect(() => createSecureContext({ pfx, passphrase: 'pass; word' })).not.to.throw();
    expect(() => createSecureContext({ pfx, passphrase: 'other' })).to.throw(/mac verify failure/);
  });

  it('go into a PEM file with an encrypted key', async () => {
    const key = toEncryptedPem(await authority.issue({ commonName: 'app' }), 'secret');
    expect(key).to.match(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    expect(createPrivateKey({ key, passphrase: 'secret' }).asymmetricKeyType).to.equal('rsa');
    expect(() => createPrivateKey({ key, passphrase: 'other' })).to.throw();
  });
});
