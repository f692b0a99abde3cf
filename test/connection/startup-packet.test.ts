import { chmod, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import pg from 'pg';
import { createConnector, poolOptions } from '#src/connector.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { resolveSettings } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';
import { startFakeServer } from '../support/fake-server.js';
import { errorResponse } from '../support/server-messages.js';
import { useFolder } from '../support/folder.js';
import { useSandbox } from '../support/use-sandbox.js';

const WHO = { sql: 'select current_user as who' };

/** Parameters of a startup packet by name. */
function parametersOf(packet: Buffer): Record<string, string> {
  const texts = packet.subarray(8, packet.readInt32BE(0)).toString('utf8').split('\0');
  const names = texts.filter((name, index) => index % 2 === 0 && name !== '');
  return Object.fromEntries(names.map((name) => [name, texts[texts.indexOf(name) + 1] ?? '']));
}

describe('the startup packet', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const folder = useFolder();

  /** Runs `work` with these variables of the environment. */
  async function withEnvironment<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
    const before = { ...process.env };
    Object.assign(process.env, variables);
    try {
      return await work();
    } finally {
      for (const name of Object.keys(variables)) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
    }
  }

  /** Files by which libpq, and drivers like it, get settings and passwords from elsewhere. */
  async function foreignFiles(password: string): Promise<Record<string, string>> {
    const passwords = folder.path('.pgpass');
    const services = folder.path('.pg_service.conf');
    await writeFile(passwords, `*:*:*:*:${password}\n`);
    await chmod(passwords, 0o600);
    await writeFile(services, '[evil]\nuser=evil\ndbname=evil\noptions=-c search_path=evil\n');
    return {
      HOME: folder.path(),
      PGPASSFILE: passwords,
      PGSERVICE: 'evil',
      PGSERVICEFILE: services,
      PGSYSCONFDIR: folder.path(),
    };
  }

  it('P-26 holds what the properties say, and nothing of the environment', async () => {
    const certificate = await use.sandbox.serverCertificates.pem('valid');
    const refusal = { send: errorResponse('3D000', 'no such database') };
    const server = await startFakeServer({ certificate, steps: [{ expect: 40 }, refusal, { close: 'end' }] });
    const hostile = {
      ...(await foreignFiles('x')),
      PGUSER: 'evil',
      PGDATABASE: 'evil',
      PGPASSWORD: 'evil',
      PGOPTIONS: '-c search_path=evil',
      PGAPPNAME: 'evil',
      PGTZ: 'Mars/Phobos',
      PGDATESTYLE: 'evil',
      PGCLIENTENCODING: 'LATIN1',
      PGREPLICATION: 'database',
      PGTARGETSESSIONATTRS: 'read-only',
    };
    await withEnvironment(hostile, () =>
      failure(
        use.connect({ Port: String(server.port), ApplicationName: 'mine' }).execute('select', WHO),
        'POSTGRESQL:INVALID_DATABASE',
        'DATABASE_UNKNOWN',
      ),
    );
    await server.close();
    const { options, ...parameters } = parametersOf(server.received[0]!);
    expect(parameters).to.deep.equal({
      user: use.sandbox.role,
      database: use.sandbox.database,
      application_name: 'mine',
      client_encoding: 'UTF8',
    });
    expect(options)
      .to.match(/^(-c \w+=[\w/]+ ?)+$/)
      .and.not.include('evil');
  });

  /** What a driver of others, with these options and this environment, says first. */
  async function foreignPacket(
    variables: Record<string, string>,
    changes: Record<string, string> = {},
    config: pg.ClientConfig = {},
  ): Promise<Record<string, string>> {
    const certificate = await use.sandbox.serverCertificates.pem('valid');
    const refusal = { send: errorResponse('3D000', 'no such database') };
    const server = await startFakeServer({ certificate, steps: [{ expect: 40 }, refusal, { close: 'end' }] });
    const options = poolOptions(use.properties({ ...changes, Port: String(server.port) }));
    await withEnvironment(variables, () =>
      failure(
        new pg.Client({ ...options, ...config }).connect(),
        'POSTGRESQL:INVALID_DATABASE',
        'DATABASE_UNKNOWN',
      ),
    );
    await server.close();
    return parametersOf(server.received[0]!);
  }

  const OF_DRIVER = {
    PGOPTIONS: '-c search_path=evil',
    PGREPLICATION: 'database',
    PGAPPNAME: 'evil',
    PGUSER: 'evil',
    PGDATABASE: 'evil',
  };

  for (const mode of ['NONE', 'TRANSACTION'])
    it(`P-26 P-27 that of a driver over poolOptions neither (PoolerMode=${mode})`, async () => {
      const { options = '', ...parameters } = await foreignPacket(OF_DRIVER, { PoolerMode: mode });
      expect(parameters).to.deep.equal({
        user: use.sandbox.role,
        database: use.sandbox.database,
        application_name: 'pg-entra',
        client_encoding: 'UTF8',
      });
      expect(options).to.equal(mode === 'NONE' ? '-c TimeZone=UTC' : '');
    });

  it('keeps what a driver over poolOptions adds, names in other scripts among it', async () => {
    const own = '-c TimeZone=UTC -c work_mem=1MB';
    const config = { options: own, lock_timeout: 1_000, application_name: 'Flüsse' };
    expect(await foreignPacket({}, {}, config)).to.deep.equal({
      user: use.sandbox.role,
      database: use.sandbox.database,
      application_name: 'Flüsse',
      lock_timeout: '1000',
      options: own,
      client_encoding: 'UTF8',
    });
  });

  it('P-26 a driver that takes other options, from wherever, gets no session', async () => {
    const { options, ...others } = poolOptions(use.properties({ Readonly: 'true' }));
    expect(options).to.include('read_only');
    await withEnvironment(OF_DRIVER, () =>
      failure(new pg.Client(others).connect(), 'POSTGRESQL:SETTINGS', 'POOL_OPTIONS_CHANGED'),
    );
    expect(use.sandbox.control.logins().map(({ outcome }) => outcome)).not.to.include('accepted');
  });

  it('P-26 a password in ~/.pgpass is not used', async () => {
    const { user, password } = use.sandbox.passwordRole;
    const foreign = await foreignFiles(password);
    await withEnvironment(foreign, async () => {
      const changes = { ...use.properties({}, 'password'), User: user, Password: 'wrong' };
      await failure(
        use.connect(changes).execute('select', WHO),
        'POSTGRESQL:INVALID_CREDENTIALS',
        'PASSWORD_REFUSED',
      );
    });
  });

  const PROPERTIES = ['User', 'Database', 'ApplicationName', 'TimeZone', 'Server', 'Password'] as const;
  const BASE = { AuthScheme: 'Password', Server: 'localhost', User: 'a', Password: 'b' };
  for (const name of PROPERTIES) {
    it(`P-09 U+0000 in ${name} is refused before anything is sent`, async () => {
      const values: Record<string, string> = { ...BASE, [name]: 'x\0options\0-c search_path=evil' };
      const text = Object.entries(values)
        .map(([property, value]) => `${property}=${value}`)
        .join(';');
      const settings = 'POSTGRESQL:SETTINGS';
      await failure(() => createConnector(text), settings, 'CONNECTION_STRING_MALFORMED');
      await failure(() => createConnector(values), settings, 'PROPERTY_INVALID');
      await failure(() => resolveSettings(values), settings, 'PROPERTY_INVALID');
      await failure(() => formatConnectionString(values), settings, 'PROPERTY_INVALID');
    });
  }

  for (const uri of [
    'postgresql://a%00b@localhost/d',
    'postgresql://a@localhost/d%00user',
    'postgresql://a@localhost/d?application_name=x%00y',
  ]) {
    it(`P-09 U+0000 in ${uri} is refused`, async () => {
      await failure(() => createConnector(uri), 'POSTGRESQL:SETTINGS', 'URI_MALFORMED');
    });
  }
});
