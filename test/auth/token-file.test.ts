import { expect } from 'chai';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failure } from '../support/failure.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

const KEY = 'k'.repeat(32);

describe('OAuthSettingsLocation with a file', function () {
  this.timeout(60_000);
  const use = useSandbox();
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'settings-location-'));
    chmodSync(folder, 0o700);
    file = join(folder, 'token');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const select = (changes: Record<string, string>, from?: 'secret' | 'certificatePem') => {
    const connector = use.connect({ ...use.properties({}, from), OAuthSettingsLocation: file, ...changes });
    return connector.execute('select', { sql: 'select current_user as me' });
  };

  it('starts warm without any request, by the client secret alone', async () => {
    await select({});
    expect(use.sandbox.control.requests().map(({ kind }) => kind)).to.deep.equal(['discovery', 'token']);
    use.sandbox.control.clearRequests();
    expect((await select({})).rows).to.deep.equal([{ me: use.sandbox.role }]);
    expect(use.sandbox.control.requests()).to.deep.equal([]);
    expect(readFileSync(file, 'utf8')).not.to.match(/eyJ/).and.not.to.include(use.sandbox.clientSecret);
  });

  it('starts warm by OAuthSettingsKey', async () => {
    await select({ OAuthSettingsKey: KEY });
    use.sandbox.control.clearRequests();
    await select({ OAuthSettingsKey: KEY });
    expect(use.sandbox.control.requests()).to.deep.equal([]);
  });

  it('finds the authority of the file again when only the token has to be renewed', async () => {
    await select({});
    use.sandbox.control.clearRequests();
    use.sandbox.control.addFaults({ action: 'reset', kind: 'discovery', times: 'always' });
    use.sandbox.control.revoke('all');
    await select({});
    expect(use.sandbox.control.requests().map(({ kind }) => kind)).to.deep.equal(['token']);
  });

  it('F-07 F-12 does not read the file of another identity, says so, and leaves it alone', async () => {
    await select({ OAuthSettingsKey: KEY });
    const before = readFileSync(file);
    const logger = recordingLogger();
    const other = await use.sandbox.addApplication({ displayName: 'another', role: 'another' });
    const connector = use.connect(
      {
        OAuthSettingsLocation: file,
        OAuthSettingsKey: KEY,
        OAuthClientId: other.clientId,
        OAuthClientSecret: other.clientSecret,
        User: 'another',
      },
      { logger },
    );
    await connector.execute('select', { sql: 'select 1' });
    expect(readFileSync(file)).to.deep.equal(before);
    expect(logger.lines.filter((line) => line.startsWith('warn settings.warning'))).to.have.length(1);
  });

  it('is refused where nothing is there to encrypt with', () =>
    failure(() => select({ OAuthClientSecret: 'short' }), 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID'));
});
