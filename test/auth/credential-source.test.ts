import { expect } from 'chai';
import { copyFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { X509Certificate } from 'node:crypto';
import { signAssertion } from '#src/auth/client-assertion.js';
import { loadKeyStore } from '#src/auth/key-store/index.js';
import { fetch } from 'undici';
import { openTokens } from '#src/auth/index.js';
import { explainSettings } from '#src/settings/settings.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { entraClientFor } from '../support/clients.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION = 'POSTGRESQL:AUTHENTICATION';
const DAY_MS = 86_400_000;

describe('credentials that overlap, expire and are replaced', function () {
  this.timeout(60_000);
  const use = useSandbox({ skipPostgres: true });
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'credentials-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** A client with `changes`, the warnings it writes, and how many token requests it has made. */
  function clientWith(changes: Record<string, string>, from: 'secret' | 'certificatePem' = 'secret') {
    const logger = recordingLogger();
    const clock = new HastyClock();
    const connection = formatConnectionString(use.properties(changes, from));
    const { entra, network } = entraClientFor(connection, { clock, logger });
    const warnings = (event: string): string[] =>
      logger.lines.filter((line) => line.startsWith(`warn ${event}`));
    const token = async () => (await entra.requestToken()).token;
    return { entra, clock, token, warnings, close: () => network.close() };
  }
  const tokenRequests = (): number => use.sandbox.control.tokenRequestCount();

  it('T-35 tries the fallback secret once after a refusal, keeps what worked first, and warns once a day', async () => {
    const client = clientWith({
      OAuthClientSecret: 'revoked',
      OAuthClientSecretFallback: use.sandbox.clientSecret,
    });
    await client.token();
    expect(tokenRequests()).to.equal(2);
    expect(client.entra.credentialHealth()).to.deep.equal({ inUse: 'fallback' });
    await client.token();
    expect(tokenRequests()).to.equal(3);
    expect(client.warnings('credential.fallback')).to.deep.equal([
      'warn credential.fallback: OAuthClientSecret was refused (WRONG_CLIENT_SECRET); OAuthClientSecretFallback is in use',
    ]);
    await client.close();
  });

  it('T-35 says what the first secret met when both are refused', async () => {
    const client = clientWith({ OAuthClientSecret: 'revoked', OAuthClientSecretFallback: 'also revoked' });
    await failure(client.token(), AUTHENTICATION, 'WRONG_CLIENT_SECRET');
    expect(tokenRequests()).to.equal(2);
    await client.close();
  });

  it('T-35 does not try the fallback where it would not help', async () => {
    const client = clientWith({
      OAuthClientId: '00000000-0000-4000-8000-000000000000',
      OAuthClientSecretFallback: use.sandbox.clientSecret,
    });
    await failure(client.token(), AUTHENTICATION, 'APPLICATION_NOT_FOUND');
    expect(tokenRequests()).to.equal(1);
    await client.close();
  });

  it('T-35 tries the fallback certificate after AADSTS700027', async () => {
    const { unregisteredPem, pem } = use.sandbox.certificates;
    const client = clientWith({ OAuthJWTCert: unregisteredPem, OAuthJWTCertFallback: pem }, 'certificatePem');
    await client.token();
    expect(tokenRequests()).to.equal(2);
    expect(client.warnings('credential.fallback')).to.have.length(1);
    await client.close();
  });

  it('T-35 K-12 passes over a certificate that has expired, without a request for it', async () => {
    const { expiredPem, pem } = use.sandbox.certificates;
    const client = clientWith({ OAuthJWTCert: expiredPem, OAuthJWTCertFallback: pem }, 'certificatePem');
    await client.token();
    expect(tokenRequests()).to.equal(1);
    expect(client.entra.credentialHealth()).to.include({ inUse: 'fallback' });
    await client.close();
  });

  it('T-35 tells of a fallback that could not take over on the day it is set', async () => {
    const client = clientWith({ OAuthJWTCertFallback: '/nowhere/app.pem' }, 'certificatePem');
    const facts = await client.entra.checkCredential?.();
    expect(facts).to.have.property('thumbprintSha256');
    expect(facts?.['problemOfOAuthJWTCertFallback']).to.match(/^PROPERTY_FILE_UNREADABLE: /);
    expect(client.warnings('credential.unusable')).to.have.length(1);
    await client.close();
  });

  it('K-26 uses a replaced certificate file from the next token on', async () => {
    const file = join(folder, 'app.pem');
    copyFileSync(use.sandbox.certificates.unregisteredPem, file);
    const client = clientWith({ OAuthJWTCert: file }, 'certificatePem');
    await failure(client.token(), AUTHENTICATION, 'CERTIFICATE_NOT_REGISTERED');
    copyFileSync(use.sandbox.certificates.pem, file);
    expect((await client.token()).claims).to.include({ objectId: use.sandbox.objectId });
    await client.close();
  });

  for (const [what, spoil] of [
    ['half-written', (file: string) => truncateSync(file, 900)],
    ['empty', (file: string) => truncateSync(file, 0)],
    ['missing', (file: string) => rmSync(file)],
    ['expired', (file: string) => copyFileSync(use.sandbox.certificates.expiredPem, file)],
  ] as const) {
    it(`K-26 keeps the old pair and warns while the replacement is ${what}`, async () => {
      const file = join(folder, 'app.pem');
      copyFileSync(use.sandbox.certificates.pem, file);
      const client = clientWith({ OAuthJWTCert: file }, 'certificatePem');
      await client.token();
      spoil(file);
      await client.token();
      expect(client.warnings('credential.kept')).to.have.length(1);
      expect(client.warnings('credential.kept')[0]).to.include('OAuthJWTCert cannot be read anew');
      await client.close();
    });
  }

  it('K-26 does not keep a pair that has itself expired', async () => {
    const file = join(folder, 'app.pem');
    copyFileSync(use.sandbox.certificates.pem, file);
    const client = clientWith({ OAuthJWTCert: file }, 'certificatePem');
    await client.token();
    truncateSync(file, 900);
    client.clock.shiftWall(100 * 365 * DAY_MS);
    await failure(client.token(), 'POSTGRESQL:SETTINGS', 'CERTIFICATE_UNREADABLE');
    await client.close();
  });

  it('T-33 reads a secret file again for each token, and keeps the old secret while it cannot be read', async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'revoked\n');
    const client = clientWith({ OAuthClientSecret: `@file:${file}` });
    await failure(client.token(), AUTHENTICATION, 'WRONG_CLIENT_SECRET');
    writeFileSync(file, `${use.sandbox.clientSecret}\n`);
    await client.token();
    rmSync(file);
    await client.token();
    expect(client.warnings('credential.kept')).to.have.length(1);
    await client.close();
  });

  it('warns of an expiring secret 30, 7 and 1 days ahead, once each, and says it in health', async () => {
    const now = Date.now();
    const expires = new Date(now + 40 * DAY_MS + 3_600_000).toISOString();
    const client = clientWith({ OAuthClientSecretExpires: expires });
    const told: number[] = [];
    for (let day = 0; day < 40; day += 1) {
      await client.token();
      client.clock.shiftWall(DAY_MS);
      told.push(client.warnings('credential.expires').length);
    }
    expect(
      client.warnings('credential.expires').map((line) => /\((\d+) days left/.exec(line)?.[1]),
    ).to.deep.equal(['30', '7', '1']);
    expect(told[9]).to.equal(0);
    expect(client.entra.credentialHealth()).to.deep.equal({
      inUse: 'first',
      expires,
      daysLeft: 0,
    });
    await client.close();
  });

  it('tells the end of the certificate in health', async () => {
    const client = clientWith({}, 'certificatePem');
    expect(client.entra.credentialHealth()).to.equal(undefined);
    await client.token();
    const health = client.entra.credentialHealth();
    expect(Date.parse(health?.expires ?? '')).to.be.greaterThan(Date.now());
    expect(health?.daysLeft).to.be.a('number').greaterThan(0);
    await client.close();
  });

  for (const seconds of [1_800, -1_800, 3_500]) {
    it(`K-30 signs for the time of the authority when the clocks differ by ${String(seconds)} s, and warns`, async () => {
      use.sandbox.control.moveClock(seconds);
      const client = clientWith({}, 'certificatePem');
      await client.token();
      expect(tokenRequests()).to.equal(2);
      expect(client.warnings('clock.corrected')).to.have.length(1);
      await client.token();
      expect(tokenRequests()).to.equal(3);
      await client.close();
    });
  }

  it('K-30 believes nobody beyond an hour, and names both clocks', async () => {
    use.sandbox.control.moveClock(7_200);
    const client = clientWith({}, 'certificatePem');
    const error = await failure(client.token(), AUTHENTICATION, 'CLIENT_ASSERTION_TIME');
    const years = error.message.match(/20\d\d/g);
    expect(years).to.have.length(2);
    expect(tokenRequests()).to.equal(1);
    await client.close();
  });

  it('K-30 does not take the time of an answer that a cache gave (Age)', async () => {
    use.sandbox.control.addFaults({
      action: 'refuse',
      code: 700024,
      error: 'invalid_client',
      status: 401,
      headers: { age: '5', date: new Date(Date.now() + 1_800_000).toUTCString() },
    });
    const client = clientWith({}, 'certificatePem');
    await failure(client.token(), AUTHENTICATION, 'CLIENT_ASSERTION_TIME');
    expect(client.warnings('clock.corrected')).to.deep.equal([]);
    await client.close();
  });

  it('K-27 names the certificate by x5t#S256 with PS256, by x5t with RS256, and sends the chain when asked', async () => {
    const entry = await loadKeyStore(use.sandbox.certificates.pem);
    const purpose = { issuer: 'i', subject: 's', audience: 'a', offsetMs: 0 };
    const header = async (algorithm: 'PS256' | 'RS256', sendChain: boolean) =>
      decodeProtectedHeader(await signAssertion({ entry, algorithm, sendChain }, purpose, new HastyClock()));
    const ps256 = await header('PS256', false);
    expect(ps256).to.include({ alg: 'PS256' }).and.not.to.have.any.keys('x5t', 'x5c');
    const sha256 = Buffer.from(entry.certificate.fingerprint256.replaceAll(':', ''), 'hex');
    expect(ps256['x5t#S256']).to.equal(sha256.toString('base64url'));
    const rs256 = await header('RS256', true);
    expect(rs256).to.include({ alg: 'RS256' }).and.not.to.have.any.keys('x5t#S256');
    const sha1 = Buffer.from(entry.certificate.fingerprint.replaceAll(':', ''), 'hex');
    expect(rs256.x5t).to.equal(sha1.toString('base64url'));
    const chain = (rs256.x5c ?? []).map((text) => new X509Certificate(Buffer.from(text, 'base64')));
    expect(chain[0]?.fingerprint256).to.equal(entry.certificate.fingerprint256);
  });

  it('sends id and secret in the header with OAuthPasswordGrantMode=BASIC, and not in the form', async () => {
    const seen: { authorization: string | null; body: string }[] = [];
    const { settings } = explainSettings(use.properties({ OAuthPasswordGrantMode: 'BASIC' }));
    const { client, network } = openTokens(settings, {
      clock: new HastyClock(),
      diagnostics: createDiagnostics(),
      fetch: (input, init) => {
        if (init?.method === 'POST')
          seen.push({
            authorization: new Headers(init.headers as never).get('authorization'),
            body: typeof init.body === 'string' ? init.body : 'no text',
          });
        return fetch(input, init);
      },
    });
    await client?.requestToken().catch(() => undefined);
    await network.close();
    const [first] = seen;
    const decoded = Buffer.from((first?.authorization ?? '').replace('Basic ', ''), 'base64').toString();
    const encoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
    expect(decoded).to.equal(`${encoded(use.sandbox.clientId)}:${encoded(use.sandbox.clientSecret)}`);
    expect(first?.body).not.to.include('client_secret');
  });
});
