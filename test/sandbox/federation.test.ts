import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as jose from 'jose';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { assertionForm, httpClient, requestToken, type HttpClient } from './clients.js';

describe('sandbox workload identity', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;
  let http: HttpClient;

  before(async () => {
    sandbox = await startSandbox({ skipPostgres: true });
    http = httpClient(sandbox);
  });
  after(async () => {
    await http.close();
    await sandbox.close();
  });
  afterEach(() => sandbox.control.reset());

  const ask = (assertion: string) => requestToken(http, assertionForm(sandbox, assertion), sandbox.tenantId);
  const codeOf = async (assertion: string | Promise<string>): Promise<unknown> => {
    const { status, body } = await ask(await assertion);
    expect(status).to.equal(401);
    expect(body['error']).to.equal('invalid_client');
    return (body['error_codes'] as unknown[])[0];
  };

  it('takes the token of the other issuer for the app, again and again', async () => {
    const assertion = readFileSync(sandbox.federation.tokenFile, 'utf8');
    for (let round = 0; round < 2; round += 1) {
      const { status, body } = await ask(assertion);
      expect(status).to.equal(200);
      expect(jose.decodeJwt(String(body['access_token']))).to.include({
        oid: sandbox.objectId,
        appidacr: '2',
      });
    }
    expect(sandbox.control.requests()[0]?.grant?.credential).to.equal('federated');
    expect(JSON.stringify(sandbox.control.requests())).not.to.include(assertion);
  });

  it('publishes the key that verifies its tokens', async () => {
    const { issuer, audience } = sandbox.federation;
    const document = (await (await http(`${issuer}/.well-known/openid-configuration`)).json()) as {
      issuer: string;
      jwks_uri: string;
    };
    expect(document.issuer).to.equal(issuer);
    const keys = jose.createLocalJWKSet((await (await http(document.jwks_uri)).json()) as jose.JSONWebKeySet);
    const { payload } = await jose.jwtVerify(await sandbox.federation.issueToken(), keys, {
      issuer,
      audience,
    });
    expect(payload.sub).to.equal(sandbox.federation.subject);
  });

  it('refuses another subject, audience, issuer, key and time, each with its number', async () => {
    const { federation, control } = sandbox;
    expect(await codeOf(federation.issueToken({ subject: 'system:serviceaccount:x:y' }))).to.equal(700213);
    expect(await codeOf(federation.issueToken({ audience: 'https://example.com' }))).to.equal(700212);
    expect(await codeOf(federation.issueToken({ lifetimeSeconds: -600 }))).to.equal(700024);
    expect(await codeOf(federation.issueToken({ signature: 'foreign' }))).to.equal(50013);
    control.setFederatedCredentials([{ ...federation, issuer: 'https://issuer.example' }]);
    expect(await codeOf(federation.issueToken())).to.equal(700211);
    control.setFederatedCredentials([]);
    expect(await codeOf(federation.issueToken())).to.equal(70021);
  });

  it('takes it for the apps that have registered it only', async () => {
    const { issuer, subject, audience } = sandbox.federation;
    const federated = [{ issuer, subject, audience }];
    for (const [expected, app] of [
      [200, await sandbox.addApplication({ displayName: 'federated', federated })],
      [401, await sandbox.addApplication({ displayName: 'not federated' })],
    ] as const) {
      const form = assertionForm(sandbox, await sandbox.federation.issueToken());
      form.set('client_id', app.clientId);
      expect((await requestToken(http, form, sandbox.tenantId)).status).to.equal(expected);
    }
  });
});
