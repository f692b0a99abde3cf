import { ManagedIdentityApplication, type ManagedIdentityConfiguration } from '@azure/msal-node';
import { expect } from 'chai';
import * as jose from 'jose';
import { fetch } from 'undici';
import { answer, throttled } from '#sandbox/faults.js';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { logIn, loginError } from './clients.js';

const resource = 'https://ossrdbms-aad.database.windows.net';

describe('sandbox managed identity', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());
  afterEach(() => sandbox.control.reset());

  const ask = async (
    endpoint: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
  ) => {
    const response = await fetch(`${endpoint}?${new URLSearchParams(query).toString()}`, { headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const askAppService = (
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const { endpoint, header } = sandbox.managedIdentity.appService;
    const all = { 'api-version': '2019-08-01', resource, ...query };
    return ask(endpoint, all, { 'X-IDENTITY-HEADER': header, ...headers });
  };
  const askImds = (
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = { Metadata: 'true' },
  ) => {
    const endpoint = `${sandbox.managedIdentity.imds.endpoint}/metadata/identity/oauth2/token`;
    return ask(endpoint, { 'api-version': '2018-02-01', resource, ...query }, headers);
  };

  for (const [title, request] of [
    ['App Service', askAppService],
    ['IMDS', askImds],
  ] as const) {
    it(`${title} gives a token that opens the identity's own role`, async () => {
      const { status, body } = await request();
      expect(status).to.equal(200);
      const { clientId, objectId, role } = sandbox.managedIdentity;
      expect(body).to.include({ resource, token_type: 'Bearer', client_id: clientId });
      const token = String(body['access_token']);
      const { exp, oid } = jose.decodeJwt(token);
      expect(oid).to.equal(objectId);
      expect(body['expires_on']).to.equal(String(exp));
      await (await logIn(sandbox, token, { user: role })).end();
      expect((await loginError(sandbox, token)).code).to.equal('28000');
    });

    it(`${title} gives the user-assigned identity to who names it, and refuses an unknown one`, async () => {
      const { clientId, objectId, role } = sandbox.managedIdentity.userAssigned;
      const { body } = await request({ client_id: clientId });
      const token = String(body['access_token']);
      expect(jose.decodeJwt(token)['oid']).to.equal(objectId);
      await (await logIn(sandbox, token, { user: role })).end();
      const unknown = await request({ client_id: sandbox.clientId });
      expect([unknown.status, unknown.body['error']]).to.deep.equal([400, 'identity_not_found']);
    });

    it(`${title} refuses another resource, and a request without its header`, async () => {
      const other = await request({ resource: 'https://management.azure.com/' });
      expect([other.status, other.body['error']]).to.deep.equal([400, 'invalid_resource']);
      const foreign = await request({}, { Metadata: 'no', 'X-IDENTITY-HEADER': 'x' });
      expect(foreign.status).to.equal(title === 'IMDS' ? 400 : 401);
    });

    it(`${title} fails by script, and notes who asked`, async () => {
      sandbox.control.addFaults(throttled(1, { service: 'managedIdentity' }), answer('{"x"', 200));
      expect((await request()).status).to.equal(429);
      const broken = await request().catch((error: unknown) => error);
      expect(broken).to.be.instanceOf(SyntaxError);
      sandbox.control.overrideTokenResponse({ set: { expires_on: 'never' } });
      expect((await request({ client_id: sandbox.managedIdentity.clientId })).body['expires_on']).to.equal(
        'never',
      );
      const [first, , last] = sandbox.control.requests();
      expect(first).to.deep.include({ service: 'managedIdentity', kind: 'token', status: 429 });
      expect(last?.grant).to.deep.include({ clientId: sandbox.managedIdentity.clientId, resource });
      expect(sandbox.control.tokenRequestCount('managedIdentity')).to.equal(3);
      expect(sandbox.control.tokenRequestCount('authority')).to.equal(0);
    });
  }

  describe('asked by @azure/msal-node', () => {
    const acquire = async (
      environment: Readonly<Record<string, string>>,
      configuration: ManagedIdentityConfiguration = {},
    ): Promise<jose.JWTPayload> => {
      const before = { ...process.env };
      Object.assign(process.env, environment);
      try {
        const application = new ManagedIdentityApplication(configuration);
        const { accessToken } = await application.acquireToken({ resource, forceRefresh: true });
        const claims: jose.JWTPayload = jose.decodeJwt(accessToken);
        return claims;
      } finally {
        for (const name of Object.keys(environment)) {
          if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
          else process.env[name] = before[name];
        }
      }
    };

    it('in the shape of App Service', async () => {
      const { endpoint, header } = sandbox.managedIdentity.appService;
      const environment = { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header };
      expect((await acquire(environment))['oid']).to.equal(sandbox.managedIdentity.objectId);
      const { clientId, objectId } = sandbox.managedIdentity.userAssigned;
      const named = { managedIdentityIdParams: { userAssignedClientId: clientId } };
      expect((await acquire(environment, named))['oid']).to.equal(objectId);
    });

    it('in the shape of IMDS', async () => {
      const environment = { AZURE_POD_IDENTITY_AUTHORITY_HOST: sandbox.managedIdentity.imds.endpoint };
      const { clientId, objectId } = sandbox.managedIdentity.userAssigned;
      const named = { managedIdentityIdParams: { userAssignedClientId: clientId } };
      expect((await acquire(environment, named))['oid']).to.equal(objectId);
    });
  });
});
