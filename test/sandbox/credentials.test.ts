import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { certificateParts, toPem, type IssuedCertificate } from '#sandbox/certificates.js';
import { refused } from '#sandbox/faults.js';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import {
  assertionForm,
  httpClient,
  requestToken,
  signAssertion,
  tokenForm,
  type AssertionChanges,
  type HttpClient,
} from './clients.js';

describe('sandbox credentials of apps', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;
  let http: HttpClient;
  /** A certificate of the CA that the app does not know. */
  let issued: IssuedCertificate;

  before(async () => {
    sandbox = await startSandbox({ skipPostgres: true });
    http = httpClient(sandbox);
    issued = await sandbox.control.issueCertificate();
  });
  after(async () => {
    await http.close();
    await sandbox.close();
  });
  afterEach(() => sandbox.control.reset());

  /** AADSTS number of a refusal; 200 for a token. */
  const codeOf = async (form: URLSearchParams, headers: Record<string, string> = {}): Promise<unknown> => {
    const { status, body } = await requestToken(http, form, sandbox.tenantId, headers);
    return status === 200 ? 200 : (body['error_codes'] as number[])[0];
  };
  const bySecret = (secret = sandbox.clientSecret) => codeOf(tokenForm(sandbox, { client_secret: secret }));
  const byCertificate = async (changes: AssertionChanges = {}) =>
    codeOf(assertionForm(sandbox, await signAssertion(sandbox, changes)));

  describe('by HTTP Basic', () => {
    const basic = (id: string, secret: string) => ({
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    });
    const withoutCredentials = () => tokenForm(sandbox, { client_id: undefined, client_secret: undefined });

    it('takes id and secret', async () => {
      const headers = basic(sandbox.clientId, encodeURIComponent(sandbox.clientSecret));
      expect(await codeOf(withoutCredentials(), headers)).to.equal(200);
      expect(sandbox.control.requests()[0]?.grant).to.include({ credential: 'secret', secretIn: 'header' });
    });

    it('takes them form-urlencoded only', async () => {
      const secret = sandbox.control.addSecret();
      const encoded = Buffer.from(secret).toString('hex').replaceAll(/../g, '%$&');
      expect(await codeOf(withoutCredentials(), basic(sandbox.clientId, encoded))).to.equal(200);
      expect(await codeOf(withoutCredentials(), basic(sandbox.clientId, `${secret}+`))).to.equal(7000215);
      expect(await codeOf(withoutCredentials(), basic(sandbox.clientId, '%zz'))).to.equal(9002313);
    });

    it('refuses a header beside a secret in the body, another client, and no header of this kind', async () => {
      const headers = basic(sandbox.clientId, sandbox.clientSecret);
      expect(await codeOf(tokenForm(sandbox), headers)).to.equal(9002313);
      expect(
        await codeOf(tokenForm(sandbox, { client_id: 'x', client_secret: undefined }), headers),
      ).to.equal(9002313);
      expect(await codeOf(withoutCredentials(), { authorization: 'Bearer x' })).to.equal(9002313);
    });
  });

  describe('during a rotation', () => {
    it('T-33 takes the old secret and the new one, then the new one alone', async () => {
      const added = sandbox.control.addSecret();
      expect([await bySecret(), await bySecret(added)]).to.deep.equal([200, 200]);
      sandbox.control.removeSecret(sandbox.clientSecret);
      expect([await bySecret(), await bySecret(added)]).to.deep.equal([7000215, 200]);
    });

    it('lets one secret expire, and the other not', async () => {
      const added = sandbox.control.addSecret();
      sandbox.control.expireSecret(true, sandbox.clientSecret);
      expect([await bySecret(), await bySecret(added)]).to.deep.equal([7000222, 200]);
    });

    it('T-35 takes two certificates, until one is removed or expires', async () => {
      const own = readFileSync(sandbox.certificates.pem, 'utf8');
      expect(await byCertificate({ pem: toPem(issued) })).to.equal(700027);
      sandbox.control.addCertificate(issued.pem);
      expect(await byCertificate({ pem: toPem(issued) })).to.equal(200);
      sandbox.control.expireCertificate(own);
      expect(await byCertificate()).to.equal(1000502);
      sandbox.control.removeCertificate(own);
      expect(await byCertificate()).to.equal(700027);
      expect(await byCertificate({ pem: toPem(issued) })).to.equal(200);
      await sandbox.control.reset();
      expect([await byCertificate(), await byCertificate({ pem: toPem(issued) })]).to.deep.equal([
        200, 700027,
      ]);
    });
  });

  describe('by subject name and issuer (x5c)', () => {
    const chainOf = ({ pem, chainPem }: IssuedCertificate) =>
      certificateParts(pem + chainPem).map((raw) => raw.toString('base64'));
    const trust = (subject = 'pg-entra flow reader') =>
      sandbox.control.setTrustedSubjects([{ ca: sandbox.authority.ca, subject }]);
    const withChain = (x5c: readonly string[]): AssertionChanges => ({ pem: toPem(issued), header: { x5c } });

    it('takes a certificate that it does not know, with its chain or alone', async () => {
      expect(await byCertificate(withChain(chainOf(issued)))).to.equal(700027);
      trust();
      expect(await byCertificate(withChain(chainOf(issued)))).to.equal(200);
      expect(sandbox.control.requests().at(-1)?.grant?.assertion?.chainLength).to.equal(2);
      expect(await byCertificate(withChain(chainOf(issued).slice(0, 1)))).to.equal(200);
      expect(await byCertificate({ pem: toPem(issued) })).to.equal(700027);
    });

    it('refuses another subject, another CA, a chain that is none, and an expired certificate', async () => {
      trust('somebody else');
      expect(await byCertificate(withChain(chainOf(issued)))).to.equal(700027);
      trust();
      const other = await sandbox.serverCertificates.pem('unknown-ca');
      const [, otherCa = ''] = certificateParts(other.cert).map((raw) => raw.toString('base64'));
      expect(await byCertificate(withChain([otherCa]))).to.equal(700027);
      expect(await byCertificate(withChain(['AAAA']))).to.equal(700027);
      const expired = await sandbox.control.issueCertificate({ notAfter: '2020-01-01T00:00:00Z' });
      const changes = { pem: toPem(expired), header: { x5c: chainOf(expired) } };
      expect(await byCertificate(changes)).to.equal(1000502);
    });
  });

  it('T-06 refuses with every number that users meet, in Entra’s form', async () => {
    const expected: Readonly<Record<number, readonly [number, string]>> = {
      7000215: [401, 'invalid_client'],
      7000222: [401, 'invalid_client'],
      7000218: [401, 'invalid_client'],
      700016: [400, 'unauthorized_client'],
      90002: [400, 'invalid_request'],
      900023: [400, 'invalid_request'],
      700027: [401, 'invalid_client'],
      700024: [401, 'invalid_client'],
      700023: [401, 'invalid_client'],
      1000502: [401, 'invalid_client'],
      500011: [400, 'invalid_resource'],
      1002012: [400, 'invalid_scope'],
      70011: [400, 'invalid_scope'],
      7000229: [400, 'unauthorized_client'],
      53003: [400, 'access_denied'],
      50034: [400, 'invalid_grant'],
      50196: [400, 'invalid_grant'],
      90033: [503, 'temporarily_unavailable'],
      90055: [429, 'temporarily_unavailable'],
    };
    for (const [code, answer] of Object.entries(expected)) {
      sandbox.control.addFaults(refused(Number(code)));
      const { status, body } = await requestToken(http, tokenForm(sandbox), sandbox.tenantId);
      expect([status, body['error']], code).to.deep.equal(answer);
      expect(body['error_description']).to.match(new RegExp(`^AADSTS${code}: [^{}]+ Trace ID`));
    }
  });

  it('refuses an app without service principal (7000229), and what can be no tenant (900023)', async () => {
    const app = await sandbox.addApplication({ displayName: 'absent', servicePrincipal: false });
    const form = tokenForm(sandbox, { client_id: app.clientId, client_secret: app.clientSecret });
    expect(await codeOf(form)).to.equal(7000229);
    const { body } = await requestToken(http, tokenForm(sandbox), 'not_a_tenant');
    expect(body['error_codes']).to.deep.equal([900023]);
  });

  it('registers other apps with certificates of their own', async () => {
    const app = await sandbox.addApplication({ displayName: 'certified', certificates: [issued.pem] });
    const claims = { iss: app.clientId, sub: app.clientId };
    const assertion = await signAssertion(sandbox, { pem: toPem(issued), claims });
    const form = assertionForm(sandbox, assertion);
    form.set('client_id', app.clientId);
    expect(await codeOf(form)).to.equal(200);
  });
});
