import { expect } from 'chai';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnector } from '#src/index.js';
import { openTokens } from '#src/auth/index.js';
import { storeFingerprint } from '#src/auth/identity-key.js';
import { systemClock, type Clock } from '#src/clock.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';
import { fetch } from 'undici';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION = 'POSTGRESQL:AUTHENTICATION';
const SELECT = { sql: 'select 1 as one' };

describe('tokens and credentials that are shared', function () {
  this.timeout(60_000);
  const use = useSandbox();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sharing-'));
    chmodSync(folder, 0o700);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('C-10 C-12 a wrong secret never logs in with the token of a connection that has the right one', async () => {
    for (const OAuthSettingsLocation of ['memory://sharing', join(folder, 'token')]) {
      await use.connect({ OAuthSettingsLocation }).execute('select', SELECT);
      const wrong = use.connect({ OAuthSettingsLocation, OAuthClientSecret: 'w'.repeat(40) });
      await failure(wrong.execute('select', SELECT), AUTHENTICATION, 'WRONG_CLIENT_SECRET');
    }
  });

  it('C-12 a file never gives the token of one subject of a JWT grant to another', () => {
    const fingerprintOf = (subject: string): string =>
      storeFingerprint(
        explainSettings({
          ...use.properties({}, 'openId'),
          OAuthClientSecret: '',
          OAuthGrantType: 'JWT',
          OAuthJWTCert: use.sandbox.certificates.pem,
          OAuthJWTSubject: subject,
        }).settings.identity,
      );
    expect(fingerprintOf('alice')).not.to.equal(fingerprintOf('bob'));
  });

  it('C-17 C-19 two connections that share a token both recover when it is refused', async () => {
    const both = [1, 2].map(() =>
      use.connect({ OAuthSettingsLocation: 'memory://refused', UseConnectionPooling: 'false' }),
    );
    for (const connector of both) await connector.execute('select', SELECT);
    use.sandbox.control.revoke('all');
    for (const connector of both)
      expect((await connector.execute('select', SELECT)).rows).to.deep.equal([{ one: 1 }]);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
  });

  it('T-35 K-12 an expired certificate with a good fallback: works in memory, with a file, and in the test', async () => {
    const { expiredPem, pem } = use.sandbox.certificates;
    const certificates = { OAuthJWTCert: expiredPem, OAuthJWTCertFallback: pem };
    for (const OAuthSettingsLocation of ['memory://', join(folder, 'token')]) {
      const properties = {
        ...use.properties(certificates, 'certificatePem'),
        OAuthClientSecret: '',
        OAuthSettingsLocation,
      };
      expect((await use.connect(properties).execute('select', SELECT)).rows).to.deep.equal([{ one: 1 }]);
      const report = await use.connect(properties).test();
      expect(report.ok, JSON.stringify(report)).to.equal(true);
      const { detail } = report.stages.find(({ name }) => name === 'certificate') ?? {};
      expect(detail?.['problemOfOAuthJWTCert']).to.match(/^CERTIFICATE_EXPIRED/);
    }
  });

  it('T-35 a fallback that cannot be read does not hide what the first one met', async () => {
    const logger = recordingLogger();
    const connector = use.connect(
      {
        ...use.properties({}, 'certificatePem'),
        OAuthClientSecret: '',
        OAuthJWTCert: use.sandbox.certificates.unregisteredPem,
        OAuthJWTCertFallback: '/nowhere/app.pem',
      },
      { logger },
    );
    await failure(connector.execute('select', SELECT), AUTHENTICATION, 'CERTIFICATE_NOT_REGISTERED');
    expect(logger.lines.join('\n')).to.match(
      /credential\.unusable: OAuthJWTCertFallback .*OAuthJWTCertFallback cannot be read/,
    );
  });

  it('T-23 a supplied token for another resource of Microsoft reaches no database', async () => {
    const token = await use.sandbox.control.issueToken({
      claims: { set: { aud: 'https://graph.microsoft.com' } },
    });
    const connector = use.connect({
      AuthScheme: 'OAuthToken',
      InitiateOAuth: 'OFF',
      OAuthClientSecret: '',
      OAuthAccessToken: token,
    });
    await failure(connector.execute('select', SELECT), AUTHENTICATION, 'TOKEN_NOT_FOR_DATABASE');
    expect(use.sandbox.control.logins()).to.deep.equal([]);
  });

  it('gives up waiting for the request of another connection at its own Timeout', async () => {
    const OAuthSettingsLocation = 'memory://slow';
    use.sandbox.control.addFaults({ action: 'hang', kind: 'token', times: 'always' });
    const slow = use.connect({ OAuthSettingsLocation, Timeout: '20' });
    const quick = use.connect({ OAuthSettingsLocation, Timeout: '1' });
    const waiting = slow.execute('select', SELECT).catch(() => undefined);
    await untilTrue(() => use.sandbox.control.tokenRequestCount() === 1);
    const startedAt = performance.now();
    await failure(quick.execute('select', SELECT), 'POSTGRESQL:CANNOT_REACH', 'TOKEN_TIMEOUT');
    expect(performance.now() - startedAt).to.be.lessThan(5_000);
    await slow.close();
    await waiting;
  });

  it('C-05 the request for a token ends when the only operation that wanted it is aborted', async () => {
    use.sandbox.control.addFaults({ action: 'hang', kind: 'token', times: 1 });
    const connector = use.connect({ Timeout: '30' });
    const leaving = new AbortController();
    const left = connector
      .execute('select', SELECT, { signal: leaving.signal })
      .catch((error: unknown) => error);
    await untilTrue(() => use.sandbox.control.tokenRequestCount() === 1);
    leaving.abort();
    expect(await left).to.include({ code: 'CANCELLED' });
    await untilTrue(() => connector.health().token?.state === 'none');
    expect(connector.health().pool).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    expect((await connector.execute('select', SELECT)).rows).to.deep.equal([{ one: 1 }]);
  });

  it('D-06 a known document serves though discovery hangs, and leaves time for the token', async () => {
    let aheadMs = 0;
    const clock: Clock = {
      ...systemClock,
      steadyMs: () => systemClock.steadyMs() + aheadMs,
      wallMs: () => systemClock.wallMs() + aheadMs,
    };
    const { settings } = explainSettings(use.properties({ Timeout: '2' }));
    const { client, network } = openTokens(settings, { clock, diagnostics: createDiagnostics() });
    await client?.requestToken();
    aheadMs = 25 * 3_600_000;
    use.sandbox.control.clearRequests();
    use.sandbox.control.addFaults({ action: 'hang', kind: 'discovery', times: 'always' });
    await client?.requestToken();
    await client?.requestToken();
    await network.close();
    expect(use.sandbox.control.requests().map(({ kind }) => kind)).to.deep.equal([
      'discovery',
      'token',
      'token',
    ]);
  });

  it('C-14 gives nothing after it is closed: no token that comes late, no session of the provider', async () => {
    for (const from of ['secret', 'password'] as const) {
      const connector = createConnector(use.properties({}, from));
      await connector.close();
      await failure(connector.provider.connect(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    }
  });

  it('health counts what was requested, not what was found', async () => {
    const OAuthSettingsLocation = join(folder, 'token');
    await use.connect({ OAuthSettingsLocation }).execute('select', SELECT);
    const second = use.connect({ OAuthSettingsLocation });
    await second.execute('select', SELECT);
    expect(second.health().token).to.include({ state: 'valid' });
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
  });

  it('AzureRegion sends the token request to its region, with an assertion for the global authority', async () => {
    const asked: string[] = [];
    const { settings } = explainSettings(use.properties({ AzureRegion: 'westeurope' }, 'certificatePem'));
    const { client, network } = openTokens(settings, {
      clock: new HastyClock(),
      diagnostics: createDiagnostics(),
      fetch: (input, init) => {
        const url = new URL(input);
        asked.push(url.hostname);
        // Names below localhost are not resolved everywhere.
        url.hostname = 'localhost';
        return fetch(url, init);
      },
    });
    const token = (await client?.requestToken())?.token;
    await network.close();
    expect(asked).to.deep.equal(['localhost', 'westeurope.localhost']);
    expect(token?.claims).to.include({ objectId: use.sandbox.objectId });
  });

  it('T-30 tells that the clock of this machine is wrong, once, also with a secret', async () => {
    use.sandbox.control.moveClock(1_800);
    const logger = recordingLogger();
    const connector = use.connect({}, { logger });
    await connector.test();
    await connector.execute('select', SELECT);
    const told = logger.lines.filter((line) => line.startsWith('warn clock.differs'));
    expect(told.length).to.be.within(1, 2);
    expect(told[0]).to.match(/is 1(79|80)\d s from/);
  });

  it('names TimeZone when the server does not know it', async () => {
    const error = await failure(
      use.connect({ TimeZone: 'Mars/Phobos' }).execute('select', SELECT),
      'POSTGRESQL:SETTINGS',
      'PROPERTY_INVALID',
    );
    expect(error.properties).to.deep.equal(['TimeZone']);
  });
});
