import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { unavailable } from '#sandbox/faults.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { entraClientFor } from '../support/clients.js';
import { failure } from '../support/failure.js';
import { HastyClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

const AUTHENTICATION: ErrorType = 'POSTGRESQL:AUTHENTICATION';

describe('workload identity', function () {
  this.timeout(30_000);
  const use = useSandbox({ skipPostgres: true });

  type FederatedToken = Parameters<typeof use.sandbox.federation.issueToken>[0];

  const clientFor = (assertion: string, options?: Parameters<typeof entraClientFor>[1]) => {
    const properties = use.properties({ OAuthClientAssertion: assertion }, 'workloadIdentity');
    const { entra: client, network } = entraClientFor(formatConnectionString(properties), options);
    return { client, network };
  };
  const request = async (...parts: Parameters<typeof clientFor>) => {
    const { client, network } = clientFor(...parts);
    return client
      .requestToken()
      .then(({ token }) => token)
      .finally(() => network.close());
  };
  const tokenRequests = () => use.sandbox.control.requests().filter(({ kind }) => kind === 'token');

  it('obtains a token of the application for the token of another issuer', async () => {
    const token = await request(`@file:${use.sandbox.federation.tokenFile}`);
    expect(token.claims).to.include({
      applicationId: use.sandbox.clientId,
      objectId: use.sandbox.objectId,
    });
    expect(tokenRequests().map(({ grant }) => grant?.credential)).to.deep.equal(['federated']);
  });

  it('T-33 reads the file again for each request: the platform replaces it', async () => {
    const file = join(use.sandbox.directory, 'projected-token');
    writeFileSync(file, await use.sandbox.federation.issueToken({ subject: 'somebody' }));
    const { client, network } = clientFor(`@file:${file}`);
    await failure(client.requestToken(), AUTHENTICATION, 'FEDERATED_CREDENTIAL_NOT_FOUND');
    writeFileSync(file, `${await use.sandbox.federation.issueToken()}\n`);
    expect((await client.requestToken()).token.lifetimeMs).to.be.within(3_595_000, 3_599_000);
    await network.close();
  });

  it('T-33 goes on with the token in hand while the file is gone or empty', async () => {
    const file = join(use.sandbox.directory, 'fading-token');
    writeFileSync(file, await use.sandbox.federation.issueToken());
    const logger = recordingLogger();
    const { client, network } = clientFor(`@file:${file}`, { logger });
    await client.requestToken();
    writeFileSync(file, '');
    await client.requestToken();
    await network.close();
    expect(logger.lines.join('\n')).to.include('credential.kept');
  });

  it('T-03 sends the same token again after an outage: it is not ours to sign', async () => {
    use.sandbox.control.addFaults(unavailable(503));
    await request(await use.sandbox.federation.issueToken(), { clock: new HastyClock() });
    expect(tokenRequests().map(({ status }) => status)).to.deep.equal([503, 200]);
  });

  const REFUSED: readonly (readonly [title: string, token: FederatedToken, code: ErrorCode])[] = [
    ['another subject', { subject: 'system:serviceaccount:x:y' }, 'FEDERATED_CREDENTIAL_NOT_FOUND'],
    ['another audience', { audience: 'https://example.com' }, 'FEDERATED_CREDENTIAL_NOT_FOUND'],
    ['a time that is over', { lifetimeSeconds: -600 }, 'CLIENT_ASSERTION_TIME'],
    ['a key that the issuer does not publish', { signature: 'foreign' }, 'CLIENT_ASSERTION_REFUSED'],
  ];
  for (const [title, token, code] of REFUSED) {
    it(`T-06 a token with ${title} is ${code} after a single attempt`, async () => {
      const assertion = await use.sandbox.federation.issueToken(token);
      await failure(request(assertion), AUTHENTICATION, code);
      expect(tokenRequests()).to.have.length(1);
    });
  }

  it('X-01 writes the token of the other issuer at no level', async () => {
    const assertion = await use.sandbox.federation.issueToken();
    const logger = recordingLogger();
    await request(assertion, { logger });
    expect(logger.lines.join('\n')).not.to.include(assertion).and.not.to.match(/eyJ/);
    expect(logger.lines.join('\n')).to.include('token.requested');
  });
});
