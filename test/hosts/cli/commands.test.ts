import { expect } from 'chai';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatConnectionString, manifest, renderManifest } from '#src/index.js';
import { shell, type ShellRun } from '../../support/shell.js';
import { untilTrue, useSandbox } from '../../support/use-sandbox.js';

const PROGRAM = decodeURIComponent(new URL('../../../../dist/hosts/cli/main.js', import.meta.url).pathname);

describe('pg-entra', function () {
  this.timeout(20_000);
  const use = useSandbox();

  const connected = (args: readonly string[], input?: string): Promise<ShellRun> =>
    shell(args, {
      environment: { PG_ENTRA_CONNECTION: use.sandbox.connections.secret },
      ...(input !== undefined && { input }),
    });

  it('spec prints connector.json', async () => {
    expect((await shell(['spec'])).out).to.equal(renderManifest());
  });

  it('properties lists each property with its meaning, errors each code', async () => {
    expect((await shell(['properties'])).out).to.match(
      /^OAuthClientSecret .*yes .*Value of a client secret/m,
    );
    expect((await shell(['errors'])).out).to.match(
      /^WRONG_CLIENT_SECRET +POSTGRESQL:AUTHENTICATION +false +3$/m,
    );
    expect((await shell(['errors', 'wrong_client_secret'])).out).to.include(
      'What to do: Set OAuthClientSecret',
    );
    expect((await shell(['properties', '--format', 'json'])).out).to.include('"airbyte_secret": true');
  });

  it('properties lists with --all also what is known and does nothing, and why', async () => {
    const { out } = await shell(['properties']);
    expect(out).not.to.match(/^RTK /m);
    const all = (await shell(['properties', '--all'])).out;
    expect(all).to.include(
      out
        .split('\n')
        .find((line) => line.startsWith('Scope'))
        ?.slice(0, 5),
    );
    expect(all).to.match(/^KerberosKDC +\(refused\) +Kerberos is not supported/m);
    expect(all).to.match(/^RTK +\(noted\) +no licence key is needed\.$/m);
    const json = JSON.parse((await shell(['properties', '--all', '--format', 'json'])).out) as Record<
      string,
      unknown
    >;
    expect(json).to.have.keys([
      ...Object.keys(manifest().connectionSpecification.properties),
      ...manifest().unsupportedProperties.map(({ name }) => name),
    ]);
  });

  it('properties explains one, by any of its names', async () => {
    const { out } = await shell(['properties', 'client secret']);
    expect(out).to.match(/^OAuthClientSecret\n {2}Value of a client secret/);
    expect(out).to.match(/^ {2}Aliases: +ClientSecret/m);
    expect(out).to.match(/^ {2}Needed: +with AuthScheme .*; or OAuthJWTCert in its place$/m);
    expect(out).to.match(/^ {2}Secret: +yes/m);
    const scheme = (await shell(['properties', 'AuthScheme'])).out;
    expect(scheme).to.match(/^ {2}Refused: +Kerberos: Kerberos is not supported/m);
    expect((await shell(['properties', 'Port'])).out).to.match(/^ {2}Default: +5432$/m);
    expect((await shell(['properties', 'kerberoskdc'])).out).to.match(/^ {2}Given: +refused$/m);
    const typo = await shell(['properties', 'OAuthClientSecrt']);
    expect(typo.exitCode).to.equal(2);
    expect(typo.err).to.include('OAuthClientSecret');
    const json = JSON.parse((await shell(['properties', 'Host', '--format', 'json'])).out) as object;
    expect(json).to.include({ name: 'Server', title: 'Server' });
  });

  it('explain tells given, alias, default and derived apart, and what has no effect', async () => {
    const connection = 'Host=x;User=u;AzureTenant=contoso.example;ClientId=a;ClientSecret=@env:HOME;RTK=1';
    const { out, err } = await shell(['explain', '--connection', connection]);
    expect(out).to.match(/^AuthScheme +AzureServicePrincipal +derived +from OAuthClientSecret/m);
    expect(out).to.match(/^Server +x +alias +given as Host$/m);
    expect(out).to.match(/^AzureTenant +contoso\.example +given$/m);
    expect(out).to.match(/^Port +5432 +default$/m);
    expect(err).to.include('RTK has no effect');
    const long = await shell(['explain', '--connection', `${connection};ApplicationName=${'x'.repeat(200)}`]);
    expect(long.out).to.match(/^ApplicationName +x{59}… +given$/m);
  });

  it('explain masks secrets and says where each value came from', async () => {
    const { out, exitCode } = await connected(['explain']);
    expect(exitCode).to.equal(0);
    expect(out).to.match(/^OAuthClientSecret +\*\*\* +given/m);
    expect(out).to.match(/^Port +\d+ +given/m);
    expect(out).to.match(/^PoolMaxSize +10 +default/m);
    expect(out).not.to.include(use.sandbox.clientSecret);
  });

  it('token shows the claims, and the token itself only when asked', async () => {
    const plain = await connected(['token']);
    expect(plain.out)
      .to.match(new RegExp(`^objectId +${use.sandbox.objectId}$`, 'm'))
      .and.not.match(/eyJ/);
    const claims = JSON.parse((await connected(['token', '--claims'])).out) as Record<string, string>;
    expect(claims['expiresAt']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
    expect(plain.out).to.match(/^issuedAt +\d{4}-\d\d-\d\dT/m);
    expect(claims).to.include({ tenantId: use.sandbox.tenantId, applicationId: use.sandbox.clientId });
    expect((await connected(['token', '--raw'])).out).to.match(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect((await connected(['token', '--raw', '--claims'])).exitCode).to.equal(2);
  });

  it('role-sql prints a statement that really creates the role', async () => {
    const { out } = await connected(['role-sql']);
    expect(out).to.include(
      `pgaadauth_create_principal_with_oid('${use.sandbox.role}', '${use.sandbox.objectId}', 'service', false, false)`,
    );
    const app = await use.sandbox.addApplication({ displayName: "o'brien" });
    const connection = `Server=x;Database=y;User=o'brien;AzureTenant=contoso.example;OAuthClientId=a;OAuthClientSecret=@env:HOME`;
    const printed = await shell(['role-sql', '--object-id', app.objectId, '--connection', connection]);
    await use.sandbox.query(printed.out, [], { database: 'postgres' });
    const [role] = await use.sandbox.query('select rolname from pg_roles where rolname = $1', ["o'brien"]);
    expect(role).to.deep.equal({ rolname: "o'brien" });
  });

  for (const [title, connection, reason] of [
    ['a password', 'Server=x;User=u;Password=p', 'no Entra identity'],
    [
      'an OpenID provider',
      'Server=x;User=u;AuthScheme=OAuthClient;OAuthIssuer=https://x.example;OAuthClientId=a;OAuthClientSecret=b',
      'pg_ident.conf',
    ],
    ['a token without oid', 'Server=x;User=u;OAuthAccessToken=opaque', 'Give the object id by --object-id'],
  ] as const) {
    it(`role-sql refuses a login by ${title}`, async () => {
      const { out, err, exitCode } = await shell(['role-sql', '--connection', connection]);
      expect({ out, exitCode }).to.deep.equal({ out: '', exitCode: 2 });
      expect(err).to.include(reason);
    });
  }

  it('role-sql takes the object id of a supplied token from the option', async () => {
    const connection = 'Server=x;User=u;OAuthAccessToken=opaque';
    const { out, exitCode } = await shell(['role-sql', '--connection', connection, '--object-id', 'an-id']);
    expect(exitCode).to.equal(0);
    expect(out).to.include("with_oid('u', 'an-id'");
  });

  it('run takes SQL and parameters from options, in every format', async () => {
    const args = [
      'run',
      'select',
      '--sql',
      'select $1::text as a, 2 as b, null as c',
      '--parameter',
      'x,"y"',
    ];
    const json = JSON.parse((await connected(args)).out) as Record<string, unknown>;
    expect(json['rows']).to.deep.equal([{ a: 'x,"y"', b: 2, c: null }]);
    expect((await connected([...args, '--format', 'csv'])).out).to.equal('a,b,c\r\n"x,""y""",2,\r\n');
    expect((await connected([...args, '--format', 'ndjson'])).out).to.equal(
      '{"a":"x,\\"y\\"","b":2,"c":null}\n',
    );
    expect((await connected([...args, '--format', 'table'])).out).to.match(
      /^a +b +c\n[- ]+\nx,"y" +2\n1 row\n$/,
    );
  });

  it('run reads the input of an operation from standard input', async () => {
    await connected(['run', 'execute', '--sql', 'create table shell_rows (id int primary key, bytes bytea)']);
    const input = JSON.stringify({
      table: 'shell_rows',
      rows: [{ id: 1, bytes: '\\x00ff' }],
      returning: ['bytes'],
    });
    const { out } = await connected(['run', 'insert', '--input', '-'], input);
    expect(JSON.parse(out)).to.deep.include({ affectedRows: 1, rows: [{ bytes: '\\x00ff' }] });
  });

  const WRONG: readonly (readonly [
    title: string,
    args: readonly string[],
    exitCode: number,
    words: string,
  ])[] = [
    ['an unknown command', ['tset'], 2, 'Did you mean test?'],
    ['an unknown option', ['test', '--colour'], 2, "unknown option '--colour'"],
    ['no connection', ['test'], 2, 'PG_ENTRA_CONNECTION'],
    ['two connections', ['test', '--connection', 'a=b', '--connection-file', 'x'], 2, 'not both'],
    ['a missing file', ['test', '--connection-file', 'nowhere'], 2, 'ENOENT'],
    [
      'a verbosity where nothing is logged',
      ['explain', '--verbosity', '5'],
      2,
      "unknown option '--verbosity'",
    ],
    ['a wrong verbosity', ['test', '--verbosity', '9'], 2, 'Must be 1 to 5'],
    ['a wrong format', ['errors', '--format', 'xml'], 2, 'json, ndjson, csv, table'],
    [
      'a token of a login that has none',
      ['token', '--connection', 'Server=x;User=u;Password=@env:HOME'],
      2,
      'AuthScheme Password has no token',
    ],
    ['an unknown error code', ['errors', 'NOPE'], 2, 'There is no error NOPE'],
  ];
  for (const [title, args, exitCode, words] of WRONG) {
    it(`${title} is wrong usage`, async () => {
      const run = await shell(args);
      expect(run.exitCode).to.equal(exitCode);
      expect(run.err).to.include(words);
    });
  }

  it('an SQL error exits with 1, in words or as JSON', async () => {
    const words = await connected(['run', 'select', '--sql', 'selec', '--format', 'table']);
    expect(words.exitCode).to.equal(1);
    expect(words.err).to.include('SYNTAX_ERROR').and.include('SQLSTATE 42601');
    const json = await connected(['run', 'select', '--sql', 'selec', '--format', 'json']);
    expect(JSON.parse(json.err)).to.include({
      type: 'POSTGRESQL:BAD_SQL_SYNTAX',
      code: 'SYNTAX_ERROR',
      sqlState: '42601',
      retryable: false,
    });
  });

  it('warns of a secret on the command line, naming the property and not the value', async () => {
    const { err } = await shell(['test', '--connection', use.sandbox.connections.secret]);
    expect(err).to.include('OAuthClientSecret').and.not.include(use.sandbox.clientSecret);
    const quiet = await shell(['test', '--connection-file', 'c'], {
      files: { c: `${use.sandbox.connections.secret}\n` },
    });
    expect(quiet).to.include({ exitCode: 0, err: '' });
  });

  describe('its log', () => {
    const run = (changes: Record<string, string> = {}, ...words: string[]) =>
      shell(['run', 'select', '--sql', 'select 1 as one', ...words], {
        environment: { PG_ENTRA_CONNECTION: formatConnectionString(use.properties(changes)) },
      });
    const events = (text: string): string[] =>
      [...text.matchAll(/^([a-z]+\.[a-z]+):/gm)].map(([, name]) => name ?? '');

    it('has warnings alone where nothing asks for more', async () => {
      expect((await run()).err).to.equal('');
      expect((await run({ RTK: 'x' })).err).to.match(/^settings\.warning: RTK has no effect/);
    });

    it('has what --verbosity or the Verbosity of the connection asks, on standard error', async () => {
      for (const { err } of [await run({}, '--verbosity', '1'), await run({ Verbosity: '1' })])
        expect(events(err)).to.deep.equal(['operation.started', 'operation.completed']);
      expect(events((await run({ Verbosity: '1' }, '--verbosity', '3')).err)).to.include.members([
        'http.request',
        'token.obtained',
      ]);
    });

    it('goes to the Logfile of the connection, unless --verbosity wants it here', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'shell-log-'));
      const Logfile = join(folder, 'flow.log');
      expect((await run({ Logfile, Verbosity: '2' })).err).to.equal('');
      const written = readFileSync(Logfile, 'utf8');
      expect(written).to.match(/ info AUTH \[flow_reader@[^\]]+\] token\.obtained: /);
      expect(statSync(Logfile).mode & 0o777).to.equal(0o600);
      expect((await run({ Logfile }, '--verbosity', '1')).err).to.include('Logfile has no effect');
      expect(readFileSync(Logfile, 'utf8')).to.equal(written);
      rmSync(folder, { recursive: true });
    });
  });

  it('tells of a Logfile that cannot be written', async () => {
    const Logfile = join(tmpdir(), 'no such folder', 'flow.log');
    const connection = formatConnectionString(use.properties({ Logfile, Verbosity: '2' }));
    const ran = await shell(['run', 'select', '--sql', 'select 1', '--connection', connection]);
    expect(ran.err).to.match(/^Note: Logfile cannot be written, lines are lost: .*ENOENT/m);
    const tested = await shell(['test', '--token-only', '--connection', connection]);
    expect(tested.out).to.match(/^ok +settings .*Logfile cannot be written: .*ENOENT/m);
    expect([ran.exitCode, tested.exitCode]).to.deep.equal([0, 0]);
  });

  it('tells that MaxRows has cut a result', async () => {
    const environment = { PG_ENTRA_CONNECTION: formatConnectionString(use.properties({ MaxRows: '1' })) };
    const sql = 'select generate_series(1, 2) as n';
    const { out, err } = await shell(['run', 'select', '--sql', sql, '--format', 'csv'], { environment });
    expect(out.trim().split('\n')).to.have.length(2);
    expect(err).to.include('MaxRows');
  });

  it('works as a program: output, exit code, and an end of its own', async () => {
    const env = { ...process.env, PG_ENTRA_CONNECTION: use.sandbox.connections.certificatePfx };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [PROGRAM, 'run', 'select', '--sql', 'select 1 as one'],
      { env },
    );
    expect(JSON.parse(stdout)).to.have.deep.property('rows', [{ one: 1 }]);
  });

  const DOWN: readonly (readonly [title: string, port: string, code: string, exitCode: number])[] = [
    ['an authority where nobody listens', '1', 'AUTHORITY_UNREACHABLE', 4],
    ['an authority that is out of order', '', 'AUTHORITY_UNAVAILABLE', 3],
  ];
  for (const [title, port, code, exitCode] of DOWN) {
    it(`as a program, says what is wrong with ${title} and exits with ${String(exitCode)}`, async () => {
      use.sandbox.control.addFaults({ action: 'answer', status: 503, times: 'always' });
      const changes = port === '' ? {} : { AzureAuthority: `https://localhost:${port}` };
      const connection = formatConnectionString(use.properties({ Timeout: '2', ...changes }));
      const env = { ...process.env, PG_ENTRA_CONNECTION: connection };
      const child = spawn(process.execPath, [PROGRAM, 'run', 'select', '--sql', 'select 1'], { env });
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      expect(await once(child, 'close')).to.deep.equal([exitCode, null]);
      expect(err).to.include(code);
    });
  }

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`as a program, ends its statement at the server on ${signal} and says so`, async () => {
      const env = { ...process.env, PG_ENTRA_CONNECTION: use.sandbox.connections.secret };
      const sql = `select pg_sleep(60) as ${signal}`;
      const child = spawn(process.execPath, [PROGRAM, 'run', 'select', '--sql', sql], { env });
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const running = async (): Promise<boolean> =>
        (
          await use.sandbox.query(`select 1 from pg_stat_activity where query = $1 and state = 'active'`, [
            sql,
          ])
        ).length === 1;
      await untilTrue(running);
      child.kill(signal);
      expect(await once(child, 'close')).to.deep.equal([exitCode, null]);
      expect(err).to.include('CANCELLED');
      await untilTrue(async () => !(await running()));
    });
  }

  it('says its version', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--version']);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });
});
