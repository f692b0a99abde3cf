import { existsSync, readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { fetch } from 'undici';
import type { Sandbox } from '#sandbox/index.js';
import { createConnector, testConnection, type ConnectorOptions } from '#src/index.js';
import { expectNoCanary } from '../support/canary.js';
import { withEnvironment } from '../support/environment.js';
import { useFolder } from '../support/folder.js';
import { useSandbox } from '../support/use-sandbox.js';

type Kind = keyof Sandbox['connections'];

const VALUE = 'cAnArY-value-4h7mT2q';

const KINDS: readonly Kind[] = [
  'secret',
  'certificatePfx',
  'workloadIdentity',
  'managedIdentity',
  'openId',
  'password',
];

/** Events of a run and of a test, by whether the login succeeds, at `Verbosity=1`. */
const LEAST = {
  run: {
    true: ['operation.started', 'operation.completed'],
    false: ['operation.started', 'login.failed', 'operation.failed'],
  },
  test: { true: [], false: ['login.failed'] },
};

describe('secrecy of Logfile', function () {
  this.timeout(30_000);
  const use = useSandbox();
  const folder = useFolder();

  const run = async (properties: Record<string, string>, options: ConnectorOptions): Promise<void> => {
    const connector = createConnector(properties, options);
    const input = { sql: 'select $1::text as value', parameters: [VALUE] };
    await connector.execute('select', input).catch(() => undefined);
    await connector.close();
  };

  const secretsOf = (properties: Record<string, string>): string[] => {
    const { certificates, managedIdentity, clientSecret, openId } = use.sandbox;
    const assertion = properties['OAuthClientAssertion']?.replace('@file:', '');
    return [
      VALUE,
      clientSecret,
      openId.clientSecret,
      certificates.pfxPassword,
      managedIdentity.appService.header,
      use.properties({}, 'password')['Password'] ?? '',
      ...(assertion === undefined ? [] : [readFileSync(assertion, 'utf8').trim()]),
    ];
  };

  /** Passes requests on, and remembers each token that came. */
  const tapped =
    (secrets: string[]): NonNullable<ConnectorOptions['fetch']> =>
    async (url, init) => {
      const response = await fetch(url, init);
      const { access_token: token } = (await response.clone().json()) as { access_token?: string };
      if (token !== undefined) secrets.push(token);
      return response;
    };

  /** Names of events in the log, in their order; checks its mode and that it holds nothing secret. */
  const eventsIn = (path: string, secrets: readonly string[]): string[] => {
    if (!existsSync(path)) return [];
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    const text = readFileSync(path, 'utf8');
    expectNoCanary([text], secrets);
    expect(text).not.to.match(/eyJ[\w-]{10,}/);
    return [...text.matchAll(/^\S+ \w+ [A-Z]+ \[[^\]]+\] ([a-z.]+): /gm)].map(([, name = '']) => name);
  };

  for (const kind of KINDS) {
    for (const isGood of [true, false]) {
      it(`holds what a run and a test with ${kind} report when the login ${isGood ? 'succeeds' : 'fails'}, and no secret`, async () => {
        const { endpoint: IDENTITY_ENDPOINT, header: IDENTITY_HEADER } =
          use.sandbox.managedIdentity.appService;
        await withEnvironment({ IDENTITY_ENDPOINT, IDENTITY_HEADER }, async () => {
          for (const [way, work] of Object.entries({ run, test: testConnection })) {
            for (const Verbosity of ['1', '5']) {
              const Logfile = folder.path(`${way}-${Verbosity}.log`);
              const changes = { Logfile, Verbosity, ...(!isGood && { Database: 'nowhere' }) };
              const properties = use.properties(changes, kind);
              const secrets = secretsOf(properties);
              await work(properties, { fetch: tapped(secrets) });
              const events = eventsIn(Logfile, secrets);
              const least = LEAST[way as keyof typeof LEAST][`${isGood}`];
              if (Verbosity === '1') expect(events).to.deep.equal(least);
              else expect(events).to.include.members([...least, ...mostOf(kind, isGood)]);
            }
          }
        });
      });
    }
  }
});

/** What `Verbosity=5` adds to a run and to a test alike. */
function mostOf(kind: Kind, isGood: boolean): string[] {
  return [
    'tls.established',
    ...(kind === 'password' ? [] : ['token.obtained', 'http.request', 'http.answer']),
    ...(isGood ? ['session.opened', 'session.closed'] : []),
  ];
}
