import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from '#samples/runner/node-red.js';
import { PROJECT } from '#samples/runner/sample.js';
import { changedTarget } from '#src/hosts/node-red/connection-test.js';
import { parseConnectionString, type TestReport } from '#src/index.js';
import { useFolder } from '../../support/folder.js';
import { connectionNode, IDS, runFlow, selectOf } from '../../support/node-red.js';

const STORED = '__PWRD__';

describe('Node-RED Test button', function () {
  this.timeout(60_000);
  const folder = useFolder();
  let sandbox: Sandbox;
  let nodeRed: NodeRed;
  let properties: Record<string, string>;

  before(async () => {
    sandbox = await startSandbox();
    nodeRed = await startNodeRed({
      packageFolder: PROJECT,
      password: 'a password for this test',
      environment: { PG_SERVER: sandbox.gate.host },
    });
    const { node, credentials } = connectionNode(sandbox, { Server: '${PG_SERVER}' });
    await nodeRed.deploy(runFlow(node, selectOf('select 1')), credentials);
    properties = { ...parseConnectionString(sandbox.connections.secret), Server: '${PG_SERVER}' };
    properties['OAuthClientSecret'] = STORED;
  });
  after(async () => {
    await nodeRed.close();
    await sandbox.close();
  });
  beforeEach(() => {
    sandbox.control.clearRequests();
    sandbox.control.clearLogins();
  });

  const test = async (
    changes: Readonly<Record<string, string>> = {},
    id: string = IDS.connection,
  ): Promise<TestReport> => {
    const body = { id, properties: { ...properties, ...changes } };
    const response = await nodeRed.call('/pg-entra/test', { method: 'POST', body });
    expect(response.status).to.equal(200);
    return (await response.json()) as TestReport;
  };
  const failureOf = ({ stages }: TestReport) => stages.find(({ status }) => status === 'failed');

  it('tests the stored connection, variables substituted, and reports every stage', async () => {
    const report = await test();
    expect(report.ok).to.equal(true);
    expect(report.stages.filter(({ status }) => status === 'passed').map(({ name }) => name)).to.deep.equal([
      'settings',
      'discovery',
      'token',
      'token-claims',
      'tcp',
      'tls',
      'login',
      'privileges',
    ]);
    expect(JSON.stringify(report)).not.to.contain(sandbox.clientSecret);
  });

  it('tests values that are not deployed', async () => {
    const report = await test({ OAuthClientSecret: 'not-the-secret' });
    expect(failureOf(report)).to.have.nested.property('error.code', 'WRONG_CLIENT_SECRET');
    expect(failureOf(report)?.error?.cure).to.be.a('string').that.is.not.empty;
    expect((await test({ Database: 'nowhere' })).stages.at(-2)).to.have.nested.property(
      'error.code',
      'DATABASE_UNKNOWN',
    );
  });

  for (const [property, value] of Object.entries({
    AzureAuthority: 'https://localhost:1',
    AzureTenant: 'fabrikam.example',
    TokenCA: '/another/ca.pem',
    Server: '127.0.0.1',
    Port: '1',
    SSLCA: '',
  })) {
    it(`does not send a stored secret when ${property} differs from what is deployed`, async () => {
      const failure = failureOf(await test({ [property]: value }));
      expect(failure?.error).to.include({ type: 'POSTGRESQL:SETTINGS', code: 'STORED_SECRET_WITHHELD' });
      expect(failure?.error?.message).to.contain(property);
      expect(sandbox.control.requests()).to.deep.equal([]);
    });
  }

  for (const [name, meant, value] of [
    ['azureauthority', 'AzureAuthority', 'https://localhost:1'],
    ['Azure Authority', 'AzureAuthority', 'https://localhost:1'],
    ['host', 'Server', '127.0.0.1'],
    ['Data Source', 'Server', '127.0.0.1'],
    ['SERVER', 'Server', '127.0.0.1'],
    ['port', 'Port', '1'],
    ['azure_tenant', 'AzureTenant', 'fabrikam.example'],
    ['tokenca', 'TokenCA', '/another/ca.pem'],
    ['sslrootcert', 'SSLCA', '/another/ca.pem'],
    ['clientsecret', 'OAuthClientSecret', STORED],
    ['Timeout ', 'Timeout', '1'],
    ['Proxy-Host', undefined, '127.0.0.1'],
    ['__proto__', undefined, '127.0.0.1'],
  ] as const) {
    it(`refuses the name "${name}", which no field of the form has`, async () => {
      // Own members, also where the name is __proto__.
      const given = Object.fromEntries([...Object.entries(properties), [name, value]]);
      const body = { id: IDS.connection, properties: given };
      const response = await nodeRed.call('/pg-entra/test', { method: 'POST', body });
      expect(response.status).to.equal(400);
      const { error } = (await response.json()) as { error: Record<string, string> };
      expect(error).to.include({ type: 'POSTGRESQL:SETTINGS', code: 'UNKNOWN_PROPERTY' });
      expect(error['cure']).to.be.a('string').that.is.not.empty;
      if (meant !== undefined) expect(error['message']).to.contain(`${name} (did you mean ${meant}?)`);
      expect(sandbox.control.requests()).to.deep.equal([]);
      expect(sandbox.control.logins()).to.deep.equal([]);
    });
  }

  it('uses a secret that was typed again with any target', async () => {
    const report = await test({ Port: '1', OAuthClientSecret: sandbox.clientSecret });
    expect(failureOf(report)).to.include({ name: 'tcp' });
    expect(sandbox.control.tokenRequestCount()).to.equal(1);
  });

  it('stops after the token when asked', async () => {
    const body = { id: IDS.connection, properties, tokenOnly: true };
    const response = await nodeRed.call('/pg-entra/test', { method: 'POST', body });
    const { ok, stages } = (await response.json()) as TestReport;
    expect(ok).to.equal(true);
    expect(stages.filter(({ status }) => status === 'passed').at(-1)?.name).to.equal('token-claims');
    expect(sandbox.control.logins()).to.deep.equal([]);
  });

  it('says why a stage was skipped', async () => {
    expect((await test()).stages.find(({ name }) => name === 'certificate')).to.deep.include({
      status: 'skipped',
      detail: { reason: 'this login uses no certificate' },
    });
  });

  it('logs to Node-RED, and leaves Logfile alone', async () => {
    const Logfile = folder.path('test.log');
    await test({ Logfile, Verbosity: '1', OAuthClientSecret: 'not-the-secret' });
    expect(existsSync(Logfile)).to.equal(false);
    expect(nodeRed.output())
      .to.match(/\[warn\] \[pg-entra-connection:test\] settings\.warning: Logfile has no effect/)
      .and.match(/\[info\] \[pg-entra-connection:test\] token\.failed: .*WRONG_CLIENT_SECRET/);
  });

  it('knows no stored secret of another node', async () => {
    for (const id of ['1a2b3c4d5e6fffff', IDS.operation, '__proto__']) {
      expect(failureOf(await test({}, id))?.error).to.include({ code: 'PROPERTIES_MISSING' });
    }
  });

  it('is refused without permission to write flows', async () => {
    const response = await fetch(`${nodeRed.url}/pg-entra/test`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id: IDS.connection, properties }),
    });
    expect(response.status).to.equal(401);
    expect(sandbox.control.requests()).to.deep.equal([]);
  });

  it('answers 400 to what is no form', async () => {
    for (const body of [
      {},
      [],
      { id: 1 },
      { id: 'x', properties: { Port: 1 } },
      { id: 'x', properties: null },
    ]) {
      const response = await nodeRed.call('/pg-entra/test', { method: 'POST', body });
      expect(response.status).to.equal(400);
      expect(await response.json()).to.have.nested.property('error.type', 'POSTGRESQL:SETTINGS');
    }
  });
});

describe('changed target of a connection form', () => {
  const deployed = { Server: 'db.example', AzureAuthority: 'https://login.example', UseSSL: true };
  for (const [title, typed, changed] of [
    ['the deployed values', { Server: 'db.example', AzureAuthority: 'https://login.example' }, []],
    ['a default that is not deployed', { ...deployed, Port: '5432', UseSSL: 'true' }, []],
    ['what cannot lead elsewhere', { ...deployed, Database: 'other', User: 'other', Timeout: '1' }, []],
    ['another value', { ...deployed, Server: 'evil.example' }, ['Server']],
    ['a value that is gone', { Server: 'db.example' }, ['AzureAuthority']],
    ['another scheme of the same authority', { ...deployed, AuthScheme: 'AzureAD' }, []],
    ['a scheme that sends its secret elsewhere', { ...deployed, AuthScheme: 'OAuthClient' }, ['AuthScheme']],
    ['a login by password', { ...deployed, AuthScheme: 'Password' }, ['AuthScheme']],
    ['another verbosity', { ...deployed, Verbosity: '5' }, []],
    ['another proxy', { ...deployed, ProxyServer: 'evil.example' }, ['ProxyServer']],
    ['an alias', { ...deployed, host: 'evil.example' }, ['Server']],
    ['another letter case', { ...deployed, azureauthority: 'https://evil.example' }, ['AzureAuthority']],
    ['a title', { ...deployed, 'Azure Authority': 'https://evil.example' }, ['AzureAuthority']],
    ['a duplicate after the deployed value', { ...deployed, 'Data Source': 'evil.example' }, ['Server']],
    ['a duplicate before the deployed value', { host: 'evil.example', ...deployed }, []],
    ['an alias alone', { ...deployed, Server: undefined, HOST: 'db.example' }, []],
  ] as const) {
    it(`${changed.length === 0 ? 'is none' : `is ${changed.join()}`} with ${title}`, () => {
      expect(changedTarget(typed, deployed)).to.deep.equal(changed);
    });
  }
});
