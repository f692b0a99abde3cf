import { allowWork } from './access.js';
import type { PasswordRole } from './password-roles.js';
import { quoteIdentifier, type QueryRows } from './query.js';

/**
 * Azure's functions for Entra roles, in the database `postgres` as there. A role's mapping is stored in the role's
 * comment, in the text form of Azure's security label (`aadauth,oid=<oid>,type=<type>[,admin][,mfa]`): comments on
 * roles, like security labels, belong to the whole cluster and vanish with the role. Names of principals are looked
 * up in a table that stands for the tenant's directory.
 */
const functions = `
create role azure_pg_admin nologin createrole createdb;
create schema pgaadauth;
create table pgaadauth.directory (
  display_name text primary key,
  object_id uuid not null unique,
  object_type text not null
);
create table pgaadauth.tenant (id uuid primary key);

set allow_system_table_mods = on;

create function pg_catalog.pgaadauth_create_principal_with_oid(
  rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean
) returns text language plpgsql strict security definer set search_path = pg_catalog as $body$
declare
  label text;
begin
  if objecttype not in ('user', 'group', 'service') then
    raise exception 'invalid object type "%"', objecttype
      using errcode = '22023', hint = 'The object type is one of user, group, service.';
  end if;
  label := format('aadauth,oid=%s,type=%s', objectid::uuid, objecttype);
  if isadmin then label := label || ',admin'; end if;
  if ismfa then label := label || ',mfa'; end if;
  execute format('create role %I login', rolename);
  if isadmin then
    execute format('alter role %I createrole createdb', rolename);
    execute format('grant azure_pg_admin to %I with admin option', rolename);
  else
    execute format('grant %I to azure_pg_admin with admin true, inherit false, set false', rolename);
  end if;
  execute format('comment on role %I is %L', rolename, label);
  return format('Created role for %s', quote_ident(rolename));
end $body$;

create function pg_catalog.pgaadauth_create_principal(
  rolename text, isadmin boolean, ismfa boolean
) returns text language plpgsql strict security definer set search_path = pg_catalog as $body$
declare
  principal record;
begin
  select * into principal from pgaadauth.directory where display_name = rolename;
  if not found then
    raise exception 'principal "%" was not found in the tenant', rolename using errcode = '22023';
  end if;
  return pgaadauth_create_principal_with_oid(
    rolename, principal.object_id::text, principal.object_type, isadmin, ismfa);
end $body$;

create function pg_catalog.pgaadauth_list_principals(
  isadminvalue boolean
) returns table (rolname name, principaltype text, objectid text, tenantid text, ismfa integer, isadmin integer)
language sql strict stable security definer set search_path = pg_catalog as $body$
  select r.rolname, substring(d.label from 'type=(\\w+)'), substring(d.label from 'oid=([0-9a-f-]+)'),
         t.id::text, (d.label like '%,mfa')::integer, a.isadmin::integer
  from pg_roles r
    cross join lateral (select shobj_description(r.oid, 'pg_authid') as label) d
    cross join lateral (select d.label ~ ',admin(,|$)' as isadmin) a
    cross join pgaadauth.tenant t
  where d.label like 'aadauth,%' and a.isadmin = isadminvalue
  order by r.rolname
$body$;

reset allow_system_table_mods;

revoke all on function pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean) from public;
revoke all on function pgaadauth_create_principal(text, boolean, boolean) from public;
revoke all on function pgaadauth_list_principals(boolean) from public;
grant execute on function pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean) to azure_pg_admin;
grant execute on function pgaadauth_create_principal(text, boolean, boolean) to azure_pg_admin;
grant execute on function pgaadauth_list_principals(boolean) to azure_pg_admin;
`;

/** The mapping of a role to an Entra principal. */
export interface RoleMapping {
  /** Object id of the principal, lower case. */
  readonly objectId: string;
}

/** A service principal that gets a role. */
export interface RoleRequest {
  readonly role: string;
  readonly objectId: string;
  readonly admin: boolean;
  /** Database in whose schema `public` the role may create. */
  readonly database: string;
}

/** Adds Azure's functions to a new server, for this tenant. */
export const installPrincipals = async (query: QueryRows, tenantId: string): Promise<void> => {
  await query(functions);
  await query('insert into pgaadauth.tenant values ($1)', [tenantId]);
};

/** Creates a database and lets administrators work in it. */
export const createDatabase = async (query: QueryRows, database: string): Promise<void> => {
  await query(`create database ${quoteIdentifier(database)}`);
  await query(`grant all on database ${quoteIdentifier(database)} to azure_pg_admin with grant option`);
  await query('grant all on schema public to azure_pg_admin with grant option', [], { database });
};

/** Makes a service principal known by its name, as the tenant's directory does. */
export const addPrincipal = async (
  query: QueryRows,
  displayName: string,
  objectId: string,
): Promise<void> => {
  await query("insert into pgaadauth.directory values ($1, $2, 'service')", [displayName, objectId]);
};

/** Creates the role of a service principal, which may create objects in the database's schema `public`. */
export const createRole = async (
  query: QueryRows,
  { role, objectId, admin, database }: RoleRequest,
): Promise<void> => {
  await query("select pgaadauth_create_principal_with_oid($1, $2, 'service', $3, false)", [
    role,
    objectId,
    admin,
  ]);
  await allowWork(query, role, database);
};

/** How a role logs in: `missing`, as an Entra principal, with a password, or by neither (`unmapped`). */
export const findRole = async (
  query: QueryRows,
  role: string,
): Promise<RoleMapping | PasswordRole | 'missing' | 'unmapped'> => {
  const rows = await query<{ label: string | null; oid: number; verifier: string | null }>(
    `select shobj_description(oid, 'pg_authid') as label, oid, rolpassword as verifier
     from pg_authid where rolname = $1`,
    [role],
  );
  const [found] = rows;
  if (found === undefined) return 'missing';
  const [, objectId] = /^aadauth,oid=([0-9a-f-]+)/.exec(found.label ?? '') ?? [];
  if (objectId !== undefined) return { objectId };
  const { oid, verifier } = found;
  return verifier === null ? 'unmapped' : { role, oid, verifier };
};
