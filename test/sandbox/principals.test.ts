import { expect } from 'chai';
import type pg from 'pg';
import { startSandbox, type Application, type Sandbox } from '#sandbox/index.js';
import { logIn, loginError, rejection } from './clients.js';

describe('sandbox pgaadauth functions', function () {
  this.timeout(20_000);
  let sandbox: Sandbox;
  let administrator: pg.Client;

  const tokenOf = ({ objectId }: Pick<Application, 'objectId'>): Promise<string> =>
    sandbox.control.issueToken({ claims: { set: { oid: objectId } } });

  before(async () => {
    sandbox = await startSandbox();
    const request = { displayName: 'administrator', role: 'entra_admin', admin: true };
    const token = await tokenOf(await sandbox.addApplication(request));
    administrator = await logIn(sandbox, token, { user: 'entra_admin', database: 'postgres' });
  });
  after(async () => {
    await administrator.end();
    await sandbox.close();
  });

  const call = async (sql: string, values: unknown[]): Promise<unknown> => {
    const { rows } = await administrator.query<{ answer: unknown }>(`select ${sql} as answer`, values);
    return rows[0]?.answer;
  };

  it('create a role by object id, which can then log in, whatever its name', async () => {
    const app = await sandbox.addApplication({ displayName: 'odd-flow' });
    const role = `O'Brien "; drop role flow_reader; -- ü`;
    await call('pgaadauth_create_principal_with_oid($1, $2, $3, $4, $5)', [
      role,
      app.objectId,
      'service',
      false,
      false,
    ]);
    const client = await logIn(sandbox, await tokenOf(app), { user: role });
    const { rows } = await client.query('select current_user as user, pg_has_role($1, $2) as admin', [
      'azure_pg_admin',
      'member',
    ]);
    expect(rows).to.deep.equal([{ user: role, admin: false }]);
    await client.end();
    expect((await loginError(sandbox, await sandbox.control.issueToken(), { user: role })).code).to.equal(
      '28000',
    );
  });

  it('create a role by the name of the principal', async () => {
    const app = await sandbox.addApplication({ displayName: 'Night Job' });
    expect(await call('pgaadauth_create_principal($1, $2, $3)', ['Night Job', false, false])).to.equal(
      'Created role for "Night Job"',
    );
    await (await logIn(sandbox, await tokenOf(app), { user: 'Night Job' })).end();
    const unknown = await rejection(
      call('pgaadauth_create_principal($1, $2, $3)', ['night job', false, false]),
    );
    expect(unknown).to.include({ code: '22023' });
  });

  it('list the principals, administrators apart', async () => {
    const { rows } = await administrator.query('select * from pgaadauth_list_principals(true)');
    expect(rows).to.have.length(1);
    expect(rows[0]).to.include({ rolname: 'entra_admin', principaltype: 'service', ismfa: 0, isadmin: 1 });
    const others = await administrator.query<{ rolname: string }>(
      'select * from pgaadauth_list_principals(false)',
    );
    expect(others.rows).to.deep.include({
      rolname: sandbox.role,
      principaltype: 'service',
      objectid: sandbox.objectId,
      tenantid: sandbox.tenantId,
      ismfa: 0,
      isadmin: 0,
    });
  });

  it('make an administrator who can create principals, too', async () => {
    const app = await sandbox.addApplication({ displayName: 'second administrator' });
    const create = 'pgaadauth_create_principal_with_oid($1, $2, $3, $4, $5)';
    await call(create, ['second', app.objectId, 'service', true, false]);
    const client = await logIn(sandbox, await tokenOf(app), { user: 'second', database: 'postgres' });
    await client.query(`select ${create}`, ['third', app.objectId, 'service', false, false]);
    await client.query('drop role third');
    await client.end();
  });

  it('refuse a wrong type, a wrong id, and a role that exists', async () => {
    const create = (role: string, id: string, type: string) =>
      rejection(call('pgaadauth_create_principal_with_oid($1, $2, $3, false, false)', [role, id, type]));
    expect(await create('x', sandbox.objectId, 'application')).to.include({ code: '22023' });
    expect(await create('x', 'not a GUID', 'service')).to.include({ code: '22P02' });
    expect(await create(sandbox.role, sandbox.objectId, 'service')).to.include({ code: '42710' });
  });

  it('are there for administrators only, in the database postgres only', async () => {
    const ordinary = await logIn(sandbox, await sandbox.control.issueToken(), { database: 'postgres' });
    const denied = rejection(ordinary.query('select * from pgaadauth_list_principals(false)'));
    expect(await denied).to.include({ code: '42501' });
    await ordinary.end();
    expect(await rejection(sandbox.query('select pgaadauth_list_principals(false)'))).to.include({
      code: '42883',
    });
  });

  it('forget the mapping with the role', async () => {
    const app = await sandbox.addApplication({ displayName: 'passing', role: 'passing' });
    await sandbox.query('drop owned by passing');
    await sandbox.query('drop owned by passing', [], { database: 'postgres' });
    await sandbox.query('drop role passing');
    await sandbox.query('create role passing login');
    expect((await loginError(sandbox, await tokenOf(app), { user: 'passing' })).code).to.equal('28P01');
  });
});
