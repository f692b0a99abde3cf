import { expect } from 'chai';
import type { Sandbox } from '#sandbox/index.js';
import { createConnector } from '#src/connector.js';
import { useSandbox } from '../support/use-sandbox.js';

type Scheme = Extract<keyof Sandbox['connections'], 'openId' | 'managedIdentity' | 'workloadIdentity'>;

describe('login by each kind of identity', function () {
  this.timeout(60_000);
  const use = useSandbox();

  // The platform speaks through the environment of the process.
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = process.env;
  const setEnvironment = (variables: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(variables)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  before(() => {
    const { endpoint, header } = use.sandbox.managedIdentity.appService;
    setEnvironment({ IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header });
  });
  after(() => {
    setEnvironment({ IDENTITY_ENDPOINT, IDENTITY_HEADER });
  });

  const ROLES: readonly (readonly [Scheme, role: () => string])[] = [
    ['openId', () => use.sandbox.openId.role],
    ['managedIdentity', () => use.sandbox.managedIdentity.role],
    ['workloadIdentity', () => use.sandbox.role],
  ];
  for (const [scheme, role] of ROLES) {
    it(`${scheme} opens a session as its own role, with one token for two sessions`, async () => {
      const connector = createConnector(use.properties({ UseConnectionPooling: 'false' }, scheme));
      try {
        for (let count = 0; count < 2; count += 1) {
          const { rows } = await connector.execute('select', { sql: 'SELECT current_user::text AS role' });
          expect(rows).to.deep.equal([{ role: role() }]);
        }
        expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
        expect(connector.health()).to.deep.include({ sessionsOpened: 2 });
      } finally {
        await connector.close();
      }
    });
  }
});
