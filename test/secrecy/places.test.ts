import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { createConnector, testConnection } from '#src/index.js';
import { expectNoCanary } from '../support/canary.js';
import { useSandbox } from '../support/use-sandbox.js';

const INDEX = new URL('../../../dist/index.js', import.meta.url);

describe('secrecy of other places', function () {
  this.timeout(60_000);
  const use = useSandbox();
  const secrets = (): string[] => [use.sandbox.clientSecret, use.sandbox.certificates.pfxPassword];

  for (const from of ['secret', 'certificatePfx', 'workloadIdentity', 'openId', 'password'] as const) {
    it(`X-04 health and the report of a test hold nothing of ${from}, before and after success and failure`, async () => {
      const properties = use.properties({}, from);
      const own = [...secrets(), use.sandbox.openId.clientSecret, use.sandbox.passwordRole.password].filter(
        (secret) => secret.length >= 8,
      );
      const connector = createConnector(properties);
      const seen = [connector.health()] as unknown[];
      await connector.execute('select', { sql: 'select 1' });
      seen.push(connector.health(), await connector.test());
      seen.push(await testConnection({ ...properties, Port: '1' }));
      await connector.close();
      seen.push(connector.health());
      expectNoCanary(
        seen.flatMap((each) => [JSON.stringify(each), inspect(each, { depth: 9, showHidden: true })]),
        own,
      );
      expect(JSON.stringify(seen)).not.to.match(/eyJ[\w-]{20}/);
    });
  }

  it('X-07 the report of the process holds no secret', async () => {
    const connector = createConnector(use.properties({}, 'certificatePfx'));
    await connector.execute('select', { sql: 'select 1' });
    const report = JSON.stringify(process.report.getReport());
    await connector.close();
    expectNoCanary([report, process.title, process.argv.join(' ')], secrets());
  });

  it('X-09 the server sees neither secret nor token in what it shows of a session', async () => {
    const connector = use.connect();
    await connector.execute('select', { sql: 'select 1 as seen' });
    const sessions = await use.sandbox.query('select * from pg_stat_activity');
    const shown = JSON.stringify(sessions);
    expect(shown).to.include('seen');
    expectNoCanary([shown], secrets());
    expect(shown).not.to.match(/eyJ[\w-]{20}/);
  });

  it('X-11 an error that the host does not catch prints no secret of ours', async () => {
    const program = `
      const { createConnector } = await import(${JSON.stringify(INDEX.href)});
      const connector = createConnector(JSON.parse(process.argv[1]));
      await connector.execute('select', { sql: 'select 1' });
      connector.execute('select', { sql: 'select nonsense' });
      await new Promise((resolve) => setTimeout(resolve, 10_000));`;
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', program, JSON.stringify(use.properties({}, 'certificatePfx'))],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    expect(child.exitCode).not.to.equal(0);
    expect(stderr).to.include('COLUMN_UNKNOWN');
    expectNoCanary([stderr, stdout], secrets());
    expect(stderr).not.to.match(/eyJ[\w-]{20}/);
  });
});
