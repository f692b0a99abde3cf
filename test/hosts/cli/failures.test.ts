import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { Sandbox } from '#sandbox/index.js';
import type { TestReport } from '#src/index.js';
import { formatConnectionString, parseConnectionString } from '#src/settings/connection-string.js';
import { shell } from '../../support/shell.js';
import { untilTrue, useSandbox } from '../../support/use-sandbox.js';

interface Failure {
  readonly title: string;
  readonly from?: 'secret' | 'certificatePem' | 'certificatePfx';
  readonly changes?: (sandbox: Sandbox) => Record<string, string>;
  readonly provoke?: (sandbox: Sandbox) => unknown;
  readonly stage: string;
  readonly code: string;
  readonly exitCode: number;
}

const FAILURES: readonly Failure[] = [
  {
    title: 'a wrong secret',
    changes: () => ({ OAuthClientSecret: 'canary-wrong-secret' }),
    stage: 'token',
    code: 'WRONG_CLIENT_SECRET',
    exitCode: 3,
  },
  {
    title: 'a wrong tenant',
    changes: () => ({ AzureTenant: 'nobody.example' }),
    stage: 'discovery',
    code: 'TENANT_NOT_FOUND',
    exitCode: 3,
  },
  {
    title: 'an unregistered certificate',
    from: 'certificatePem',
    changes: ({ certificates }) => ({ OAuthJWTCert: certificates.unregisteredPem }),
    stage: 'token',
    code: 'CERTIFICATE_NOT_REGISTERED',
    exitCode: 3,
  },
  {
    title: 'an expired certificate',
    from: 'certificatePem',
    changes: ({ certificates }) => ({ OAuthJWTCert: certificates.expiredPem }),
    stage: 'certificate',
    code: 'CERTIFICATE_EXPIRED',
    exitCode: 2,
  },
  {
    title: 'a wrong certificate password',
    from: 'certificatePfx',
    changes: () => ({ OAuthJWTCertPassword: 'canary-wrong-password' }),
    stage: 'certificate',
    code: 'CERTIFICATE_PASSWORD_WRONG',
    exitCode: 2,
  },
  {
    title: 'an untrusted server certificate',
    provoke: ({ control }) => control.setCertificate('gate', 'self-signed'),
    stage: 'tls',
    code: 'SERVER_CERTIFICATE_UNTRUSTED',
    exitCode: 4,
  },
  {
    title: 'a wrong host name',
    provoke: ({ control }) => control.setCertificate('gate', 'wrong-host'),
    stage: 'tls',
    code: 'SERVER_HOST_NAME_MISMATCH',
    exitCode: 4,
  },
  {
    title: 'a plaintext server',
    provoke: ({ control }) => {
      control.setPlaintextOnly(true);
    },
    stage: 'tls',
    code: 'SERVER_WITHOUT_TLS',
    exitCode: 4,
  },
  {
    title: 'an unknown role',
    changes: () => ({ User: 'nobody_here' }),
    stage: 'login',
    code: 'ROLE_UNKNOWN',
    exitCode: 3,
  },
  {
    title: 'an unknown database',
    changes: () => ({ Database: 'nope' }),
    stage: 'login',
    code: 'DATABASE_UNKNOWN',
    exitCode: 4,
  },
  {
    title: 'a refused token',
    provoke: ({ control }) => {
      control.refuseLogins(1, { sqlState: '28000', message: 'The access token has expired.' });
    },
    stage: 'login',
    code: 'TOKEN_REFUSED',
    exitCode: 3,
  },
  {
    title: 'a port where nobody listens',
    changes: () => ({ Port: '1' }),
    stage: 'tcp',
    code: 'SERVER_UNREACHABLE',
    exitCode: 4,
  },
  {
    title: 'a misspelt property',
    changes: () => ({}),
    provoke: () => undefined,
    stage: 'settings',
    code: 'UNKNOWN_PROPERTY',
    exitCode: 2,
  },
];

describe('pg-entra test, by what is wrong', function () {
  this.timeout(20_000);
  const use = useSandbox();

  function connectionOf({ from = 'secret', changes, code }: Failure): string {
    const good = parseConnectionString(use.sandbox.connections[from]);
    const text = formatConnectionString({ ...good, ...changes?.(use.sandbox) });
    return code === 'UNKNOWN_PROPERTY' ? `Sevrer=x;${text}` : text;
  }

  /** Everything that must not be seen anywhere, whole or in a telling part. */
  function canaries(): string[] {
    const keys = [
      use.sandbox.certificates.pem,
      use.sandbox.certificates.unregisteredPem,
      use.sandbox.certificates.expiredPem,
    ];
    const keyLines = keys.flatMap((path) => keyLinesOf(readFileSync(path, 'utf8')));
    return [
      use.sandbox.clientSecret,
      use.sandbox.certificates.pfxPassword,
      'canary-wrong-secret',
      'canary-wrong-password',
      ...keyLines,
    ];
  }

  for (const failure of FAILURES) {
    it(`${failure.title}: stage ${failure.stage}, ${failure.code}, exit code ${String(failure.exitCode)}, and no secret at any verbosity`, async () => {
      const environment = { PG_ENTRA_CONNECTION: connectionOf(failure) };
      for (const verbosity of ['1', '2', '3', '4', '5']) {
        await use.sandbox.control.reset();
        await failure.provoke?.(use.sandbox);
        const json = await shell(['test', '--format', 'json', '--verbosity', verbosity], { environment });
        const report = JSON.parse(json.out) as TestReport;
        const failed = report.stages.filter(({ status }) => status === 'failed');
        expect(failed.map(({ name, error }) => ({ name, code: error?.code }))).to.deep.equal([
          { name: failure.stage, code: failure.code },
        ]);
        expect(failed[0]?.error?.cure).to.be.a('string').and.not.equal('');
        expect(json.exitCode).to.equal(failure.exitCode);
        await failure.provoke?.(use.sandbox);
        const words = await shell(['test', '--verbosity', verbosity], { environment });
        expect(words.exitCode).to.equal(failure.exitCode);
        expect(words.out)
          .to.match(new RegExp(`FAILED +${failure.stage} .*${failure.code}`))
          .and.include('What to do: ');
        const seen = json.out + json.err + words.out + words.err;
        for (const canary of canaries())
          expect(seen.includes(canary), 'a secret in the output').to.equal(false);
        expect(seen).not.to.match(/eyJ[\w-]{10,}/);
      }
    });
  }

  for (const kind of ['secret', 'certificatePem', 'certificatePfx'] as const) {
    it(`a good connection by ${kind}: all stages passed, exit code 0`, async () => {
      const environment = { PG_ENTRA_CONNECTION: use.sandbox.connections[kind] };
      const { out, exitCode } = await shell(['test', '--verbosity', '5'], { environment });
      expect(exitCode).to.equal(0);
      expect(out).to.include('The connection works.').and.not.include('FAILED');
      const expected = kind === 'secret' ? ['-', 8] : ['ok', 9];
      expect(out).to.match(new RegExp(`^${String(expected[0])} +certificate`, 'm'));
      expect(out.match(/^ok /gm)).to.have.length(Number(expected[1]));
    });
  }

  it('stops after the token when asked, without the database', async () => {
    const environment = { PG_ENTRA_CONNECTION: use.sandbox.connections.secret };
    const { out, exitCode } = await shell(['test', '--token-only', '--format', 'json'], { environment });
    expect(exitCode).to.equal(0);
    const words = await shell(['test', '--token-only'], { environment });
    expect(words.out).to.match(/^- +certificate +this login uses no certificate$/m);
    expect(words.out).to.match(/^- +tcp +not asked for$/m);
    expect(words.out).to.match(/\nThe token works; the database was not asked\.\n$/);
    const statuses = (JSON.parse(out) as TestReport).stages.map(({ status }) => status);
    expect(statuses.slice(4)).to.deep.equal(['passed', 'skipped', 'skipped', 'skipped', 'skipped']);
    expect(use.sandbox.control.logins()).to.deep.equal([]);
  });

  it('tests a token that was supplied, and says that it discovers nothing', async () => {
    const environment = { PG_ENTRA_CONNECTION: use.sandbox.connections.secret };
    const token = (await shell(['token', '--raw'], { environment })).out.trim();
    const { Server, Port, Database, User, SSLCA } = use.properties();
    const supplied = formatConnectionString({ Server, Port, Database, User, SSLCA, OAuthAccessToken: token });
    const { out, exitCode } = await shell(['test'], { environment: { PG_ENTRA_CONNECTION: supplied } });
    expect(exitCode).to.equal(0);
    expect(out).to.match(/^- +discovery +this login has nothing to discover$/m);
    expect(out).to.match(/^ok +token-claims .*expiresAt=\d{4}-/m);
    const only = await shell(['test', '--token-only'], { environment: { PG_ENTRA_CONNECTION: supplied } });
    expect(only.out).to.include('The supplied token was only looked at').and.not.include('works;');
    expect(only.out).to.match(/^ok +token +\d+ ms +supplied=true expiresInSeconds=3\d{3}$/m);
  });

  it('claims nothing of a supplied token that says nothing about itself', async () => {
    const connection = 'Server=x;User=u;AuthScheme=OAuthToken;OAuthAccessToken=garbage';
    const { out, exitCode } = await shell(['test', '--token-only', '--connection', connection]);
    expect(exitCode).to.equal(0);
    expect(out)
      .to.match(/^ok +token +\d+ ms +supplied=true$/m)
      .and.match(/^- +token-claims +the token says nothing about itself$/m)
      .and.include('The supplied token was only looked at');
    const shown = await shell(['token', '--connection', connection]);
    expect(shown.out)
      .to.match(/^supplied +true$/m)
      .and.not.match(/lifetime|86400/);
  });

  for (const given of ['UseSSL=false', 'SSLMode=disable']) {
    it(`says that TLS is off because of ${given}`, async () => {
      const { Server, Port, User, Password } = use.properties({}, 'password');
      const connection = `${formatConnectionString({ Server, Port, User, Password })};${given}`;
      const { out } = await shell(['test', '--connection', connection]);
      expect(out).to.match(new RegExp(`^- +tls +${given.replace('=', ' is ')}$`, 'm'));
    });
  }

  it('skips the token of a login by password, and says so', async () => {
    const environment = { PG_ENTRA_CONNECTION: 'Server=127.0.0.1;Port=1;User=u;Password=p' };
    const { out, exitCode } = await shell(['test'], { environment });
    expect(exitCode).to.equal(4);
    expect(out).to.match(/^- +token +this login has no token$/m);
    expect(out)
      .to.match(/^FAILED +tcp /m)
      .and.match(/^- +login +not reached$/m);
    const only = await shell(['test', '--token-only'], { environment });
    expect(only.exitCode).to.equal(0);
    expect(only.out).to.include('Only the settings were tested: this login has no token.');
  });

  it('leaves no session behind', async () => {
    await shell(['test'], { environment: { PG_ENTRA_CONNECTION: use.sandbox.connections.secret } });
    // A backend takes a moment to leave after its client.
    await untilTrue(async () => {
      const sessions = 'select 1 from pg_stat_activity where usename = $1';
      return (await use.sandbox.query(sessions, [use.sandbox.role])).length === 0;
    });
  });
});

function keyLinesOf(pem: string): string[] {
  const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----([\s\S]+?)-----END/.exec(pem)?.[1] ?? '';
  return key.split(/\s+/).filter((line) => line.length > 16);
}
