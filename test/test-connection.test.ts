import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { createConnector, testConnection } from '#src/connector.js';
import type { StageReport, TestReport } from '#src/stage-walk.js';
import { withEnvironment } from './support/environment.js';
import { useFolder } from './support/folder.js';
import { recordingLogger } from './support/log.js';
import { startSocksProxy } from './support/proxies.js';
import { useSandbox } from './support/use-sandbox.js';

const failed = ({ stages }: TestReport) => stages.find(({ status }) => status === 'failed');

const stage = ({ stages }: TestReport, name: string): StageReport => {
  const found = stages.find((each) => each.name === name);
  if (!found) throw new Error(`no stage ${name}`);
  return found;
};

describe('test of a connection', function () {
  this.timeout(20_000);
  const use = useSandbox();

  it('fails at its settings, and does not throw, for a token file that is refused', async () => {
    const OAuthSettingsLocation = '/x/CData/y/OAuthSettings.txt';
    const report = await testConnection(use.properties({ OAuthSettingsLocation }));
    expect(failed(report))
      .to.include({ name: 'settings' })
      .and.have.nested.property('error.code', 'TOKEN_FILE_REFUSED');
  });

  it('fails at its settings, and does not throw, for a proxy of the environment that is none', async () => {
    const properties = use.properties({ ProxyAutoDetect: 'true' });
    const connector = createConnector(properties);
    await withEnvironment({ HTTPS_PROXY: 'nonsense://x' }, async () => {
      for (const report of [await testConnection(properties), await connector.test()])
        expect(failed(report))
          .to.include({ name: 'settings' })
          .and.have.nested.property('error.code', 'PROPERTY_INVALID');
    });
    await connector.close();
  });

  it('tells the way to the server', async () => {
    const proxy = await startSocksProxy();
    const FirewallPort = String(proxy.port);
    const report = await testConnection(
      use.properties({ FirewallType: 'SOCKS5', FirewallServer: '127.0.0.1', FirewallPort }),
    );
    await proxy.close();
    expect(report.ok).to.equal(true);
    expect(stage(report, 'tcp').detail).to.deep.equal({
      through: `the SOCKS5 proxy 127.0.0.1:${FirewallPort}`,
    });
  });

  it('says of each skipped stage why', async () => {
    const reasonsOf = ({ stages }: TestReport) =>
      Object.fromEntries(
        stages
          .filter(({ status }) => status === 'skipped')
          .map(({ name, detail }) => [name, detail?.['reason']]),
      );
    const noCertificate = { certificate: 'this login uses no certificate' };
    expect(reasonsOf(await testConnection(use.properties()))).to.deep.equal(noCertificate);
    expect(reasonsOf(await testConnection(use.properties(), { tokenOnly: true }))).to.deep.equal({
      ...noCertificate,
      tcp: 'not asked for',
      tls: 'not asked for',
      login: 'not asked for',
      privileges: 'not asked for',
    });
    expect(reasonsOf(await testConnection(use.properties({ Port: '1' }, 'password')))).to.deep.equal({
      ...noCertificate,
      discovery: 'this login has nothing to discover',
      token: 'this login has no token',
      'token-claims': 'there are no claims to look at',
      tls: 'not reached',
      login: 'not reached',
      privileges: 'not reached',
    });
  });

  describe('with a token file', () => {
    const folder = useFolder();
    const requests = () => use.sandbox.control.tokenRequestCount();

    it('asks for a new token though the file holds one, and leaves the new one there', async () => {
      const properties = use.properties({ OAuthSettingsLocation: folder.path('token.json') });
      expect((await testConnection(properties)).ok).to.equal(true);
      const first = readFileSync(folder.path('token.json'), 'utf8');
      const report = await testConnection(properties);
      expect(report.ok).to.equal(true);
      expect(stage(report, 'token').detail).not.to.have.property('notes');
      expect(requests()).to.equal(2);
      expect(readFileSync(folder.path('token.json'), 'utf8')).not.to.equal(first);
      const connector = createConnector(properties);
      await connector.execute('select', { sql: 'select 1' });
      await connector.close();
      expect(requests()).to.equal(2);
    });

    it('fails at the settings where nothing can encrypt the file, and asks for no token', async () => {
      const OAuthSettingsLocation = folder.path('token.json');
      const report = await testConnection(use.properties({ OAuthSettingsLocation }, 'workloadIdentity'));
      expect(failed(report))
        .to.include({ name: 'settings' })
        .and.have.nested.property('error.code', 'PROPERTY_INVALID');
      expect(failed(report)?.error?.message).to.include('OAuthSettingsKey');
      expect(requests()).to.equal(0);
    });

    it('tells of a folder that cannot be used', async () => {
      const OAuthSettingsLocation = folder.path('nowhere', 'token.json');
      const report = await testConnection(use.properties({ OAuthSettingsLocation }));
      expect(report.ok).to.equal(true);
      expect(stage(report, 'token').detail?.['notes']).to.match(/nowhere.*the token is kept in memory only/);
    });
  });

  describe('leaves in the log what a run would', () => {
    it('of a connection that works', async () => {
      const logger = recordingLogger();
      await testConnection(use.properties({ Verbosity: '2' }), { logger });
      expect(logger.lines.map((line) => line.split(':')[0])).to.deep.equal([
        'info discovery.completed',
        'debug token.requested',
        'info token.obtained',
        'debug session.opened',
        'debug session.closed',
      ]);
    });

    for (const [title, changes, line] of [
      [
        'a token that is refused',
        { OAuthClientSecret: 'wrong' },
        'token.failed: token request failed: WRONG_CLIENT_SECRET ',
      ],
      ['a server that is not there', { Port: '1' }, 'login.failed: login failed: SERVER_UNREACHABLE '],
      [
        'a database that is not there',
        { Database: 'nowhere' },
        'login.failed: login failed: DATABASE_UNKNOWN ',
      ],
    ] as const) {
      it(`of ${title}`, async () => {
        const logger = recordingLogger();
        await testConnection(use.properties({ Verbosity: '1', ...changes }), { logger });
        expect(logger.lines).to.have.length(1);
        expect(logger.lines[0]).to.include(`info ${line}`);
      });
    }
  });
});
