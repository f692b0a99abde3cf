import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  ConfidentialClientApplication,
  ServerError,
  type INetworkModule,
  type NetworkRequestOptions,
  type NetworkResponse,
  type NodeAuthOptions,
} from '@azure/msal-node';
import { expect } from 'chai';
import * as jose from 'jose';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { databaseScope, httpClient, rejection, type HttpClient } from './clients.js';

describe('sandbox authority, asked by @azure/msal-node', function () {
  this.timeout(60_000);

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

  /** MSAL's network interface over a client that trusts the sandbox's CA. */
  const networkClient = (): INetworkModule => {
    const send = async <T>(
      method: string,
      url: string,
      options: NetworkRequestOptions = {},
    ): Promise<NetworkResponse<T>> => {
      const response = await http(url, {
        method,
        headers: options.headers ?? {},
        body: options.body ?? null,
      });
      return {
        headers: Object.fromEntries(response.headers),
        body: (await response.json()) as T,
        status: response.status,
      };
    };
    return {
      sendGetRequestAsync: (url, options) => send('GET', url, options),
      sendPostRequestAsync: (url, options) => send('POST', url, options),
    };
  };

  const application = (credential: Partial<NodeAuthOptions>, tenant = sandbox.tenantId) =>
    new ConfidentialClientApplication({
      auth: {
        clientId: sandbox.clientId,
        authority: `${sandbox.authority.url}/${tenant}`,
        knownAuthorities: [sandbox.authority.host],
        ...credential,
      },
      system: { networkClient: networkClient() },
    });

  const certificate = (pem: string) => {
    const text = readFileSync(pem, 'utf8');
    const thumbprint = new X509Certificate(text.slice(text.indexOf('-----BEGIN CERTIFICATE'))).fingerprint256;
    return { clientCertificate: { privateKey: text, thumbprintSha256: thumbprint.replaceAll(':', '') } };
  };

  const acquire = async (client: ConfidentialClientApplication): Promise<jose.JWTPayload> => {
    const result = await client.acquireTokenByClientCredential({ scopes: [databaseScope] });
    return jose.decodeJwt(result?.accessToken ?? '');
  };

  for (const tenant of ['tenantId', 'tenantDomain'] as const) {
    it(`gives a token for a secret, tenant by ${tenant}`, async () => {
      const claims = await acquire(application({ clientSecret: sandbox.clientSecret }, sandbox[tenant]));
      expect(claims).to.include({ oid: sandbox.objectId, appidacr: '1' });
      expect(sandbox.control.requests().map(({ kind, status }) => [kind, status])).to.deep.equal([
        ['discovery', 200],
        ['token', 200],
      ]);
    });

    it(`gives a token for a certificate, tenant by ${tenant}`, async () => {
      const claims = await acquire(application(certificate(sandbox.certificates.pem), sandbox[tenant]));
      expect(claims).to.include({ oid: sandbox.objectId, appidacr: '2' });
      expect(sandbox.control.requests()[1]?.grant?.assertion).to.include({
        algorithm: 'PS256',
        lifetimeSeconds: 600,
      });
    });
  }

  it('is understood in its refusals', async () => {
    const wrongSecret = await rejection(acquire(application({ clientSecret: 'wrong' })));
    expect(wrongSecret).to.be.instanceOf(ServerError);
    expect(wrongSecret).to.include({ errorCode: 'invalid_client', errorNo: 7000215, status: 401 });
    const unregistered = application(certificate(sandbox.certificates.unregisteredPem));
    expect(await rejection(acquire(unregistered))).to.include({ errorNo: 700027 });
    const expired = application(certificate(sandbox.certificates.expiredPem));
    expect(await rejection(acquire(expired))).to.include({ errorNo: 1000502 });
  });
});
