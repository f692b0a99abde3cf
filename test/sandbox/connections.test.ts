import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';

describe('sandbox connection strings', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox({ skipPostgres: true });
  });
  after(() => sandbox.close());

  it('are complete, and name what each way to log in needs', () => {
    const { connections, managedIdentity, openId, passwordRole, federation, certificates } = sandbox;
    // `oauthbearer` is a part of PostgreSQL, which does not run here.
    const parts: Readonly<Record<Exclude<keyof typeof connections, 'oauthbearer'>, readonly string[]>> = {
      secret: [`OAuthClientSecret=${sandbox.clientSecret}`, `User=${sandbox.role}`],
      certificatePem: [`OAuthJWTCert=${certificates.pem}`, 'OAuthJWTCertType=PEMKEY_FILE'],
      certificatePfx: [`OAuthJWTCertPassword=${certificates.pfxPassword}`, 'OAuthJWTCertType=PFXFILE'],
      certificateJks: [`OAuthJWTCertPassword=${certificates.jksPassword}`, 'OAuthJWTCertType=JKSFILE'],
      workloadIdentity: [
        'AuthScheme=AzureWorkloadIdentity',
        `OAuthClientAssertion=@file:${federation.tokenFile}`,
        `OAuthClientId=${sandbox.clientId}`,
      ],
      managedIdentity: ['AuthScheme=AzureMSI', `User=${managedIdentity.role}`],
      openId: [
        'AuthScheme=OAuthClient',
        `OAuthIssuer=${openId.issuer}`,
        `OAuthClientSecret=${openId.clientSecret}`,
        `Scope=${openId.scope}`,
      ],
      password: ['AuthScheme=Password', `Password=${passwordRole.password}`, `User=${passwordRole.user}`],
    };
    for (const [name, expected] of Object.entries(parts)) {
      const properties = connections[name as keyof typeof parts].split(';');
      const common = [`Port=${sandbox.gate.port}`, `SSLCA=${sandbox.authority.caFile}`];
      expect(properties, name).to.include.members([...common, ...expected]);
    }
  });

  it('have a Java key store that Java reads (needs keytool)', function () {
    if (spawnSync('keytool', ['-help']).error) this.skip();
    const { jks, jksPassword } = sandbox.certificates;
    const pfx = `${sandbox.directory}/from-jks.pfx`;
    const { status, stderr } = spawnSync(
      'keytool',
      ['-importkeystore', '-noprompt', '-srckeystore', jks, '-srcstoretype', 'JKS']
        .concat(['-srcstorepass', jksPassword, '-destkeystore', pfx, '-deststoretype', 'PKCS12'])
        .concat(['-deststorepass', jksPassword]),
      { encoding: 'utf8' },
    );
    expect(status).to.equal(0);
    expect(stderr).to.include('Entry for alias flow-reader successfully imported');
    const context = { pfx: readFileSync(pfx), passphrase: jksPassword };
    expect(() => createSecureContext(context)).not.to.throw();
  });
});
