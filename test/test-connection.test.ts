import { expect } from 'chai';
import { createConnector, testConnection } from '#src/connector.js';
import type { TestReport } from '#src/test-connection.js';
import { withEnvironment } from './support/environment.js';
import { useSandbox } from './support/use-sandbox.js';

const failed = ({ stages }: TestReport) => stages.find(({ status }) => status === 'failed');

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
});
