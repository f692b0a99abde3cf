import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import {
  answer,
  html,
  redirect,
  reset,
  silent,
  throttled,
  unavailable,
  type Fault,
} from '#sandbox/faults.js';
import { createManagedIdentityClient } from '#src/auth/managed-identity.js';
import { identityRequest, type PlatformEnvironment } from '#src/auth/managed-identity-endpoint.js';
import { systemClock, type Clock } from '#src/clock.js';
import { createDiagnostics, type Logger } from '#src/diagnostics.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import type { ManagedIdentity } from '#src/settings/settings.js';
import { expectNoCanary } from '../support/canary.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION: ErrorType = 'POSTGRESQL:AUTHENTICATION';
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** A clock on which every wait is over at once but the one for a connection, which loopback gives by itself. */
class ConnectedClock extends HastyClock {
  override after(delayMs: number, task: () => void): () => void {
    return delayMs === 3_000 ? () => undefined : super.after(delayMs, task);
  }
}

/** A clock on which every wait is over before anything else happens. */
class ImpatientClock extends HastyClock {
  override after(delayMs: number, task: () => void): () => void {
    queueMicrotask(() => {
      this.waits.push(delayMs);
      task();
    });
    return () => undefined;
  }
}

describe('managed identity', function () {
  this.timeout(30_000);
  const use = useSandbox({ skipPostgres: true });

  const IDENTITY: ManagedIdentity = {
    kind: 'managed-identity',
    clientId: undefined,
    environment: 'AUTO',
    scope: undefined,
    audience: undefined,
  };
  const appService = (): PlatformEnvironment => ({
    IDENTITY_ENDPOINT: use.sandbox.managedIdentity.appService.endpoint,
    IDENTITY_HEADER: use.sandbox.managedIdentity.appService.header,
  });
  const imds = (): PlatformEnvironment => ({
    AZURE_POD_IDENTITY_AUTHORITY_HOST: use.sandbox.managedIdentity.imds.endpoint,
  });
  const clientFor = (
    identity: Partial<ManagedIdentity>,
    environment: PlatformEnvironment,
    options: { clock?: Clock; timeoutMs?: number; logger?: Logger } = {},
  ) => {
    const { clock = systemClock, timeoutMs = 60_000, logger } = options;
    const diagnostics = createDiagnostics({ logger });
    return createManagedIdentityClient(
      { ...IDENTITY, ...identity },
      { clock, timeoutMs, diagnostics },
      environment,
    );
  };
  const request = async (...parts: Parameters<typeof clientFor>) =>
    (await clientFor(...parts).requestToken()).token;
  const requests = () => use.sandbox.control.requests();

  for (const [platform, environment] of [
    ['App Service', appService],
    ['the metadata service', imds],
  ] as const) {
    describe(`of ${platform}`, () => {
      it('T-17 T-21 gives a token with one request and nothing secret in it', async () => {
        const token = await request({}, environment());
        expect(token.lifetimeMs).to.be.within(3_595_000, 3_599_000);
        expect(token.claims).to.include({
          audience: RESOURCE,
          objectId: use.sandbox.managedIdentity.objectId,
          tenantId: use.sandbox.tenantId,
        });
        expect(requests().map(({ status, grant }) => [status, grant])).to.deep.equal([
          [200, { ...requests()[0]?.grant, credential: 'none', resource: RESOURCE }],
        ]);
      });

      it('reports the exchange: names of headers, never their values, no query', async () => {
        const logger = recordingLogger();
        await request({}, environment(), { logger });
        const lines = logger.lines.filter((line) => line.includes(' http.'));
        expect(lines).to.have.length(2);
        expect(lines[0]).to.match(
          /^debug http\.request: GET http:\/\/[^ ?]+ with headers .*x-ms-client-request-id$/,
        );
        expect(lines[1]).to.match(/^debug http\.answer: 200 from \S+: \d+ bytes/);
        expectNoCanary(logger.lines, [use.sandbox.managedIdentity.appService.header]);
      });

      it('reports an exchange without an answer', async () => {
        const logger = recordingLogger();
        use.sandbox.control.addFaults(reset('request'));
        await request({}, environment(), { logger, clock: new ConnectedClock() });
        expect(
          logger.lines.some((line) => /^debug http\.failed: no answer from \S+: [A-Z_]+ /.test(line)),
        ).to.equal(true);
      });

      it('gives the token of the user-assigned identity that OAuthClientId names', async () => {
        const { clientId, objectId } = use.sandbox.managedIdentity.userAssigned;
        const token = await request({ clientId }, environment());
        expect(token.claims).to.include({ objectId, applicationId: clientId });
      });

      it('is asked for each token: nothing is kept for the next identity', async () => {
        const { userAssigned, objectId } = use.sandbox.managedIdentity;
        await request({ clientId: userAssigned.clientId }, environment());
        expect((await request({}, environment())).claims?.objectId).to.equal(objectId);
        expect(requests()).to.have.length(2);
      });

      it('MANAGED_IDENTITY_NOT_FOUND names an identity that is not assigned', async () => {
        const clientId = '00000000-0000-4000-8000-000000000000';
        const asked = request({ clientId }, environment());
        const error = await failure(asked, AUTHENTICATION, 'MANAGED_IDENTITY_NOT_FOUND');
        expect(error.message).to.include(clientId);
        expect(error.correlationId).to.be.a('string');
        expect(requests()).to.have.length(1);
      });

      it('MANAGED_IDENTITY_NOT_AVAILABLE says that none is assigned at all', async () => {
        const refusal = { error: 'invalid_request', error_description: 'Identity not found' };
        use.sandbox.control.addFaults(answer(refusal, 400));
        const asked = request({}, environment());
        const error = await failure(asked, AUTHENTICATION, 'MANAGED_IDENTITY_NOT_AVAILABLE');
        expect(error.message).to.include('none is assigned');
      });

      it('T-06 RESOURCE_NOT_FOUND names a scope that nobody knows', async () => {
        const asked = request({ scope: 'https://other.example/.default' }, environment());
        const error = await failure(asked, AUTHENTICATION, 'RESOURCE_NOT_FOUND');
        expect(error.message).to.include('https://other.example/.default');
      });

      it('T-01 T-03 tries again through throttling, an outage and an update', async () => {
        const clock = new ConnectedClock();
        use.sandbox.control.addFaults(throttled(2), unavailable(500), answer({}, 410), answer({}, 404));
        await request({}, environment(), { clock, timeoutMs: 600_000 });
        expect(clock.waits).to.include.members([2_000, 10_000]);
        expect(requests().map(({ status }) => status)).to.deep.equal([429, 500, 410, 404, 200]);
      });

      for (const after of ['request', 'headers', 'body'] as const) {
        it(`T-08 tries again after a reset behind the ${after}`, async () => {
          use.sandbox.control.addFaults(reset(after));
          await request({}, environment(), { clock: new ConnectedClock() });
          expect(requests()).to.have.length(2);
        });
      }

      it('T-10 ends an answer that comes byte by byte at Timeout', async () => {
        const slowly = { action: 'answer', status: 200, body: 'x'.repeat(1_000), dripMs: 50 } as const;
        use.sandbox.control.addFaults(slowly);
        const asked = request({}, environment(), { timeoutMs: 300 });
        await failure(asked, 'POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT');
      });

      it('T-09 ends a wait for an answer at Timeout', async () => {
        use.sandbox.control.addFaults(silent({ times: 'always' }));
        const asked = request({}, environment(), { timeoutMs: 300 });
        const error = await failure(asked, 'POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT');
        expect(error.message).to.include('300 ms');
      });

      const FAULTS: readonly (readonly [title: string, fault: () => Fault, code: ErrorCode])[] = [
        ['T-27 a redirect', () => redirect(`http://127.0.0.1:1/caught`), 'AUTHORITY_REDIRECTED'],
        ['T-12 HTML', () => html(200, { times: 'always' }), 'TOKEN_RESPONSE_MALFORMED'],
        ['T-13 null', () => answer('null', 200, { times: 'always' }), 'TOKEN_RESPONSE_MALFORMED'],
        ['T-07 HTTP 403', () => answer('', 403), 'MANAGED_IDENTITY_NOT_AVAILABLE'],
        [
          'a number of Microsoft Entra ID',
          () => answer({ statusCode: 400, message: 'AADSTS700016: Application not found' }, 400),
          'TOKEN_REQUEST_REFUSED',
        ],
      ];
      for (const [title, fault, code] of FAULTS) {
        it(`${title} is ${code}`, async () => {
          use.sandbox.control.addFaults(fault());
          await failure(request({}, environment(), { clock: new ConnectedClock() }), AUTHENTICATION, code);
        });
      }

      it('T-28 stops reading at 256 KiB', async () => {
        const body = { body: 'x'.repeat(1_024), repeat: 1_000 };
        use.sandbox.control.addFaults({ action: 'answer', status: 200, ...body, times: 'always' });
        const asked = request({}, environment(), { clock: new ConnectedClock() });
        const error = await failure(asked, AUTHENTICATION, 'TOKEN_RESPONSE_MALFORMED');
        expect(error.message).to.include('256 KiB');
      });

      it('T-18 refuses a token that is over, and never keeps one for ever', async () => {
        const over = { access_token: 'opaque', token_type: 'Bearer', expires_on: '1000' };
        use.sandbox.control.addFaults(answer(over, 200, { times: 'always' }));
        const asked = request({}, environment(), { clock: new ConnectedClock() });
        await failure(asked, AUTHENTICATION, 'TOKEN_RESPONSE_MALFORMED');
        use.sandbox.control.clearFaults();
        use.sandbox.control.addFaults(answer({ ...over, expires_on: '99999999999999' }));
        expect((await request({}, environment())).lifetimeMs).to.equal(86_400_000);
      });

      it('T-23 refuses a token for another resource', async () => {
        use.sandbox.control.overrideClaims({ set: { aud: 'https://vault.azure.net' } });
        await failure(request({}, environment()), AUTHENTICATION, 'TOKEN_NOT_FOR_DATABASE');
      });

      it('X-01 writes neither the header of the platform nor the token at any level', async () => {
        const logger = recordingLogger();
        const token = await request({}, environment(), { logger });
        const lines = logger.lines.join('\n');
        expect(lines).to.include('a managed identity');
        expect(lines)
          .not.to.include(token.value.reveal())
          .and.not.to.include(use.sandbox.managedIdentity.appService.header);
      });
    });
  }

  it('refuses an IDENTITY_HEADER that is wrong without trying again', async () => {
    const environment = { ...appService(), IDENTITY_HEADER: 'wrong' };
    await failure(request({}, environment), AUTHENTICATION, 'MANAGED_IDENTITY_NOT_AVAILABLE');
    expect(requests()).to.have.length(1);
  });

  it('asks for the database of the cloud of AzureEnvironment, and AUTO means the global one', async () => {
    for (const [environment, resource] of [
      ['AUTO', RESOURCE],
      ['GLOBAL', RESOURCE],
      ['USGOVT', 'https://ossrdbms-aad.database.usgovcloudapi.net'],
      ['CHINA', 'https://ossrdbms-aad.database.chinacloudapi.cn'],
    ] as const) {
      use.sandbox.control.clearRequests();
      use.sandbox.control.addFaults(answer({ access_token: 'x', token_type: 'Bearer' }));
      await request({ environment }, imds());
      expect(requests()[0]?.grant?.resource).to.equal(resource);
    }
  });

  it('gives up where nobody answers a connection, after three seconds or Timeout if that is less', async () => {
    for (const [timeoutMs, limitMs] of [
      [60_000, 3_000],
      [0, 3_000],
      [1_500, 1_500],
    ] as const) {
      const clock = new ImpatientClock();
      const asked = request({}, imds(), { clock, timeoutMs });
      const error = await failure(asked, AUTHENTICATION, 'MANAGED_IDENTITY_NOT_AVAILABLE');
      expect(error.message).to.include(`${String(limitMs)} ms`);
      expect(clock.waits[0]).to.equal(limitMs);
      expect(requests()).to.deep.equal([]);
    }
  });

  it('says at once where nothing listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const environment = {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${String(port)}/msi/token`,
      IDENTITY_HEADER: 'x',
    };
    const asked = request({}, environment);
    const error = await failure(asked, AUTHENTICATION, 'MANAGED_IDENTITY_NOT_AVAILABLE');
    expect(error.message).to.include('ECONNREFUSED');
  });

  it('ends with the reason of its caller', async () => {
    use.sandbox.control.addFaults(silent({ times: 'always' }));
    const caller = new AbortController();
    const reason = new Error('enough');
    const asked = clientFor({}, imds())
      .requestToken(caller.signal)
      .catch((error: unknown) => error);
    caller.abort(reason);
    expect(await asked).to.equal(reason);
  });

  it('reads the environment for each token', async () => {
    const environment: Record<string, string | undefined> = {};
    const client = clientFor({}, environment, { clock: new HastyClock() });
    Object.assign(environment, { IDENTITY_ENDPOINT: 'http://192.0.2.1/', IDENTITY_HEADER: 'x' });
    await failure(client.requestToken(), AUTHENTICATION, 'MANAGED_IDENTITY_NOT_AVAILABLE');
    expect(requests()).to.deep.equal([]);
  });

  describe('its endpoint', () => {
    const query = { resource: RESOURCE, clientId: undefined };

    it('is the metadata service of the machine where the platform names none', () => {
      const { url, headers } = identityRequest({ ...query, clientId: 'a b' }, {});
      expect(url.href).to.equal(
        `http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${encodeURIComponent(RESOURCE)}&client_id=a+b`,
      );
      expect(headers).to.deep.equal({ metadata: 'true' });
    });

    it('needs both variables of App Service', () => {
      const half = { IDENTITY_ENDPOINT: 'http://localhost:42356/msi/token' };
      expect(identityRequest(query, half).url.host).to.equal('169.254.169.254');
      const { url, headers } = identityRequest(query, { ...half, IDENTITY_HEADER: 'secret' });
      expect(url.host).to.equal('localhost:42356');
      expect(headers).to.deep.equal({ 'x-identity-header': 'secret' });
    });

    const OWN = ['localhost:1', '127.0.0.1:1', '127.8.9.1', '[::1]:80', '169.254.129.2:8081', '0x7f.1'];
    for (const host of OWN) {
      it(`may be ${host}`, () => {
        const environment = { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://${host}` };
        expect(identityRequest(query, environment).url.protocol).to.equal('http:');
      });
    }

    const FOREIGN = [
      'http://example.com/',
      'http://10.0.0.1/',
      'http://169.253.169.254/',
      'http://localhost.example.com/',
      'http://169.254.169.254.example.com/',
      'http://user@localhost/',
      'https://localhost/',
      'file:///etc/passwd',
      'nonsense',
    ];
    for (const address of FOREIGN) {
      it(`D-01 D-09 may not be ${address}: plain http stays on the machine`, async () => {
        for (const environment of [
          { IDENTITY_ENDPOINT: address, IDENTITY_HEADER: 'secret' },
          { AZURE_POD_IDENTITY_AUTHORITY_HOST: address },
        ]) {
          const code: ErrorCode = 'MANAGED_IDENTITY_NOT_AVAILABLE';
          await failure(() => identityRequest(query, environment), AUTHENTICATION, code);
        }
      });
    }
  });
});
